//! From what ipcluster was told to a profile.

use std::collections::BTreeMap;
use std::path::Path;

use rpar_backends::shell;
use serde_json::Value;
use thiserror::Error;

use super::file::File;
use super::script::{self, Script};
use super::settings::Settings;
use super::system::System;

/// A profile, and what has become of each setting.
#[derive(Debug)]
pub(crate) struct Translation {
    /// The file's text.
    pub(crate) text: String,
    /// The profile that it extends.
    pub(crate) base: &'static str,
    /// How many settings were found.
    pub(crate) settings: usize,
    /// What of them the profile does not say.
    pub(crate) left: Vec<String>,
}

/// There is no such profile.
#[derive(Debug, Error)]
pub(crate) enum TranslationError {
    /// The engines are started by a batch system that has no backend.
    #[error("the engines are started through {class}, for which rpar has no scheduler")]
    Scheduler {
        /// The launcher's class.
        class: String,
    },
    /// The batch template is in a file that cannot be read.
    #[error("the batch template {path} cannot be read")]
    Template {
        /// The file, as the configuration names it.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Settings that there is no need for here: how its processes find, log and watch each other.
const NEEDLESS: [&str; 9] = [
    "Application",
    "BaseParallelApplication",
    "EngineFactory",
    "HeartMonitor",
    "IPClusterApp",
    "IPEngine",
    "ProfileDir",
    "ResourceMixin",
    "Session",
];

/// Translates settings, by `Class.trait`, to a profile of this name; files that they name are looked for in `directory`.
///
/// # Errors
/// When the engines' batch system has no backend here, or a template cannot be read.
pub(crate) fn translate(
    values: BTreeMap<String, Value>,
    name: &str,
    directory: &Path,
) -> Result<Translation, TranslationError> {
    let count = values.len();
    let mut settings = Settings::new(values);
    let class = ["engine_launcher_class", "engine_set_launcher_class"];
    let class = class.iter().find_map(|name| settings.text(name, |_| true)).map(|(_, class)| class);
    let system = System::of(class, &settings)?;
    let script = template(&mut settings, directory)?;
    let base = system.profile(&script);
    let mut left: Vec<String> = script.left.iter().map(|line| format!("batch template: {line}")).collect();
    let mut file = File::default();
    params(&mut settings, &script, system, &mut file, &mut left);
    controller(&mut settings, &mut file);
    scheduler(&mut settings, &script, system, &mut file);
    engines(&mut settings, script, &mut file);
    let rest = settings.rest().filter(|(key, _)| !NEEDLESS.iter().any(|class| key.starts_with(class)));
    left.extend(rest.map(|(key, value)| format!("{key} = {}", shown(&value))));
    Ok(Translation { text: file.text(name, base, &left), base, settings: count, left })
}

/// The classes that start engines, and what they stand on.
fn of_engines(class: &str) -> bool {
    class.ends_with("Launcher") && !class.contains("Controller")
}

fn template(settings: &mut Settings, directory: &Path) -> Result<Script, TranslationError> {
    if let Some((_, path)) = settings.text("batch_template_file", of_engines) {
        let text = std::fs::read_to_string(directory.join(&path));
        return Ok(script::read(&text.map_err(|source| TranslationError::Template { path, source })?));
    }
    Ok(settings.text("batch_template", of_engines).map(|(_, text)| script::read(&text)).unwrap_or_default())
}

/// What users may say otherwise when they start.
fn params(settings: &mut Settings, script: &Script, system: System, file: &mut File, left: &mut Vec<String>) {
    let engines = settings.number("n", |_| true).and_then(|(_, n)| i64::try_from(n).ok());
    let ppn = script.ppn.and_then(|ppn| i64::try_from(ppn).ok()).filter(|ppn| *ppn > 0);
    match (engines, ppn) {
        (Some(engines), Some(ppn)) => file.param("nodes", Some((engines + ppn - 1) / ppn)),
        (Some(engines), None) if system == System::Local => file.param("ppn", Some(engines)),
        (Some(engines), None) => left.push(format!("{engines} engines: `rpar start -n {engines}`")),
        (None, _) => {}
    }
    file.param("ppn", ppn);
    let mut said = |name| settings.text(name, of_engines).map(|(_, text)| text);
    file.param("queue", said("queue").or_else(|| script.queue.clone()));
    file.param("account", said("account").or_else(|| script.account.clone()));
    file.param("walltime", said("timelimit").or_else(|| script.walltime.clone()));
    let hosts = settings.take("engines", |class| class.starts_with("SSH"));
    let hosts = hosts.iter().filter_map(|(_, hosts)| hosts.as_object()).next_back();
    file.param("hosts", hosts.map(|hosts| hosts.iter().map(host).collect::<Vec<_>>().join(",")));
}

/// A host and how many engines it has, which may come with arguments.
fn host((name, engines): (&String, &Value)) -> String {
    let count = engines.as_u64().or_else(|| engines.get(0)?.as_u64());
    count.map_or_else(|| name.clone(), |count| format!("{name}:{count}"))
}

fn controller(settings: &mut Settings, file: &mut File) {
    if let Some((_, class)) = settings.text("controller_launcher_class", |_| true) {
        let name = class.rsplit('.').next().unwrap_or_default().to_lowercase();
        if name.starts_with("ssh") {
            file.set("controller", "where", "ssh");
            let host = settings.text("hostname", |class| class.starts_with("SSHController"));
            if let Some((_, host)) = host {
                file.set("controller", "host", host);
            }
        } else if !name.starts_with("local") && !name.starts_with("mpi") {
            file.set("controller", "where", "allocation");
        }
    }
    if let Some((_, scheme)) = settings.text("scheme_name", |class| class.starts_with("TaskScheduler"))
        && matches!(scheme.as_str(), "leastload" | "lru" | "plainrandom" | "twobin" | "weighted")
    {
        file.set("controller", "policy", scheme);
    }
    let names = ["controller_location", "location", "controller_ip", "ip", "client_ip", "engine_ip"];
    let of_controller = |class: &str| !of_engines(class);
    let addresses =
        names.iter().filter_map(|name| settings.text(name, of_controller)).map(|(_, address)| address);
    // every address is what it listens at anyway
    let addresses: Vec<String> =
        addresses.filter(|address| !matches!(address.as_str(), "*" | "0.0.0.0")).collect();
    file.list("transport", "advertise", addresses);
}

fn scheduler(settings: &mut Settings, script: &Script, system: System, file: &mut File) {
    let mut directives = script.directives.clone();
    directives.extend(settings.text("qos", of_engines).map(|(_, qos)| format!("--qos={qos}")));
    if let Some((_, options)) = settings.text("options", of_engines) {
        directives.extend(options.split_whitespace().map(str::to_owned));
    }
    file.list("scheduler", "directives", directives);
    if let Some(launcher) = script.launcher.filter(|launcher| system != System::Slurm || *launcher != "srun")
    {
        file.set("launcher", "kind", launcher);
    }
}

fn engines(settings: &mut Settings, script: Script, file: &mut File) {
    let mut setup = script.setup;
    for (_, variables) in settings.take("environment", of_engines) {
        let variables = variables.as_object().into_iter().flatten();
        setup
            .extend(variables.filter_map(|(name, value)| {
                Some(format!("export {name}={}", shell::quote(value.as_str()?)))
            }));
    }
    file.list("engines", "setup", setup);
    let command = settings.take("engine_cmd", of_engines);
    let program =
        command.iter().filter_map(|(_, words)| words.get(0)?.as_str().map(str::to_owned)).next_back();
    let python = settings.text("remote_python", of_engines).map(|(_, python)| python).or(program);
    if let Some(python) = python.filter(|python| python.contains("python")) {
        file.set("python", "executable", python);
    }
}

/// A value, on one line that can be read.
fn shown(value: &Value) -> String {
    const COLUMNS: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
