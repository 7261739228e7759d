//! `qsub`: reads options and directives, refuses in OpenPBS's words, and starts what runs the job.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rpar_core::profile::duration;

use super::Said;
use super::site::{Job, Site, clock, now};

/// What OpenPBS 23.06 prints when it is used wrongly.
const USAGE: &str = "usage: qsub [-a date_time] [-A account_string] [-c interval]
\t[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]
\t[-k keep] [-l resource_list] [-m mail_options] [-M user_list]
\t[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]
\t[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]
\t[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]
       qsub --version
";

/// Options without a value, and with one.
const FLAGS: &str = "fhIVXz";
const VALUED: &str = "aACceJjklmMNopPqrRSuWv";

/// What a job may be limited by.
const RESOURCES: [&str; 12] = [
    "select", "place", "nodes", "walltime", "ncpus", "mem", "vmem", "cput", "pmem", "mpiprocs", "ngpus",
    "software",
];

/// Options, and the resources of all `-l`. What is given first wins: the command line before the directives.
#[derive(Debug, Default)]
struct Options {
    single: BTreeMap<char, String>,
    resources: BTreeMap<String, String>,
}

impl Options {
    /// Takes options; what is left is the script and what follows it.
    fn take<'a>(&mut self, words: &'a [String]) -> Result<&'a [String], char> {
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
            let letter = letters.chars().next().unwrap_or_default();
            rest = after;
            if FLAGS.contains(letter) {
                self.single.entry(letter).or_default();
            } else if VALUED.contains(letter) {
                let value = match &letters[1..] {
                    "" => {
                        let (value, after) = rest.split_first().ok_or(letter)?;
                        rest = after;
                        value.clone()
                    }
                    joined => joined.to_owned(),
                };
                self.keep(letter, value);
            } else {
                return Err(letter);
            }
        }
        Ok(rest)
    }

    fn keep(&mut self, letter: char, value: String) {
        if letter != 'l' {
            self.single.entry(letter).or_insert(value);
            return;
        }
        for part in value.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            self.resources.entry(name.trim().to_owned()).or_insert_with(|| value.trim().to_owned());
        }
    }
}

pub(super) fn run(site: &Site, program: &Path, words: &[String]) -> Said {
    if words == ["--version"] {
        return Said::ok("pbs_version = 23.06.06\n");
    }
    let mut options = Options::default();
    let rest = match options.take(words) {
        Ok(rest) => rest,
        Err(letter) => return Said::failed(2, format!("qsub: invalid option -- '{letter}'\n{USAGE}")),
    };
    let Some(script) = rest.first() else { return Said::failed(1, "qsub: no script\n") };
    let Ok(text) = fs::read_to_string(script) else {
        return Said::failed(1, "qsub: script file:: No such file or directory\n");
    };
    for line in directives(&text) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if let Err(letter) = options.take(&words) {
            return Said::failed(
                1,
                format!("qsub: invalid option -- '{letter}'\nqsub: directive error: {line} \n"),
            );
        }
    }
    if let Some(refused) = refusal(site, &options) {
        return refused;
    }
    let name =
        Path::new(script).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match accept(site, &options, &name, &text, words) {
        Ok(job) if !site.scenario.unsure => {
            start(site, program, &job);
            Said::ok(format!("{}\n", job.id(None)))
        }
        Ok(job) => {
            start(site, program, &job);
            Said::failed(1, "qsub: End of File\n")
        }
        Err(error) => Said::failed(1, format!("qsub: {error}\n")),
    }
}

/// What follows `#PBS`, up to the first line of the script that is a command.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let head = text.lines().take_while(|line| line.trim().is_empty() || line.starts_with(['#', ':']));
    head.filter_map(|line| line.strip_prefix("#PBS ")).map(str::trim)
}

fn refusal(site: &Site, options: &Options) -> Option<Said> {
    let said = |exit, words: &str| Some(Said::failed(exit, format!("qsub: {words}\n")));
    let (single, resources) = (&options.single, &options.resources);
    if let Some(name) = single.get(&'N') {
        if name.len() > 236 {
            return said(2, "Job name is too long ");
        }
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Some(Said::failed(2, format!("qsub: illegal -N value\n{USAGE}")));
        }
    }
    if single.get(&'J').is_some_and(|range| !is_array(range)) {
        return Some(Said::failed(2, format!("qsub: illegal -J value\n{USAGE}")));
    }
    let chunks = resources.contains_key("select") || resources.contains_key("place");
    let other = |name: &&String| !["select", "place", "walltime", "software"].contains(&name.as_str());
    match resources.keys().find(other) {
        Some(name) if chunks && name == "nodes" => {
            return said(6, "Cannot be used with select or place: nodes");
        }
        Some(name) if chunks && RESOURCES.contains(&name.as_str()) => {
            let words = "\"-lresource=\" cannot be used with \"select\" or \"place\", resource is:";
            return said(5, &format!("{words} {name}"));
        }
        _ => {}
    }
    let unknown = resources.keys().find(|name| !RESOURCES.contains(&name.as_str()));
    let queue = single.get(&'q').map_or(site.scenario.queues[0].0.as_str(), String::as_str);
    let known = site.scenario.queues.iter().find(|(name, _)| name == queue);
    let walltime = resources.get("walltime");
    let asked = walltime.map(|text| {
        duration::parse(text).or_else(|| Some(std::time::Duration::from_secs(text.parse().ok()?)))
    });
    let limit = known.and_then(|(_, limit)| *limit);
    let forced = |what: &str| site.scenario.refuse.as_deref() == Some(what);
    if forced("root") {
        return said(175, "Bad UID for job execution");
    }
    if let Some(name) = unknown.map(String::as_str).or_else(|| forced("resource").then_some("foo")) {
        return said(187, &format!("Unknown resource Resource_List.{name}"));
    }
    if forced("nodes") {
        return said(241, "node(s) specification error");
    }
    if forced("walltime") || asked == Some(None) {
        return said(166, "Illegal attribute or resource value Resource_List.walltime");
    }
    if forced("queue") || known.is_none() {
        return said(170, "Unknown queue");
    }
    let longer = asked.flatten().zip(limit).is_some_and(|(asked, limit)| asked > limit);
    if forced("limits") || longer {
        return said(188, "Job violates queue and/or server resource limits");
    }
    None
}

/// `1-4`, `0-10:5`, `1-6%2`: more than one element.
fn is_array(range: &str) -> bool {
    let range = range.split('%').next().unwrap_or_default();
    let (range, step) = range.split_once(':').unwrap_or((range, "1"));
    let numbers =
        range.split_once('-').and_then(|(first, last)| first.parse::<u32>().ok().zip(last.parse().ok()));
    numbers.is_some_and(|(first, last)| first < last) && step.parse::<u32>().is_ok_and(|step| step > 0)
}

fn accept(site: &Site, options: &Options, script: &str, text: &str, words: &[String]) -> io::Result<Job> {
    let mut job = site.new_job()?;
    let single = |letter| options.single.get(&letter).cloned().unwrap_or_default();
    let resource = |name: &str| options.resources.get(name).cloned().unwrap_or_default();
    let select = if resource("select").is_empty() { "1:ncpus=1".to_owned() } else { resource("select") };
    let mut parts = select.split(':');
    let nodes = parts.next().filter(|nodes| nodes.parse::<u32>().is_ok()).unwrap_or("1").to_owned();
    let chunk: BTreeMap<_, _> = parts.filter_map(|part| part.split_once('=')).collect();
    let of_chunk = |name| chunk.get(name).copied().unwrap_or("1").to_owned();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let directory = std::env::current_dir()?.display().to_string();
    let walltime = resource("walltime");
    let walltime = duration::parse(&walltime)
        .or_else(|| Some(std::time::Duration::from_secs(walltime.parse().ok()?)))
        .map(clock)
        .unwrap_or_default();
    let name = if single('N').is_empty() { script.to_owned() } else { single('N') };
    let facts = [
        ("name", name),
        ("owner", owner()),
        ("queue", if single('q').is_empty() { site.scenario.queues[0].0.clone() } else { single('q') }),
        ("account", single('A')),
        ("array", single('J').split('%').next().unwrap_or_default().to_owned()),
        ("project", if single('P').is_empty() { "_pbs_project_default".to_owned() } else { single('P') }),
        ("join", if single('j').is_empty() { "n".to_owned() } else { single('j') }),
        ("keep", if single('k').is_empty() { "n".to_owned() } else { single('k') }),
        ("output", single('o')),
        ("hold", if options.single.contains_key(&'h') { "u".to_owned() } else { String::new() }),
        ("place", if resource("place").is_empty() { "pack".to_owned() } else { resource("place") }),
        ("select", select.clone()),
        ("nodes", nodes),
        ("ncpus", of_chunk("ncpus")),
        ("mpiprocs", chunk.get("mpiprocs").copied().unwrap_or_default().to_owned()),
        ("walltime", walltime),
        ("ctime", now().to_string()),
        ("directory", directory),
        ("home", variable("HOME")),
        ("path", variable("PATH")),
        ("shell", variable("SHELL")),
        ("arguments", words.join(" ")),
    ];
    job.facts = facts.map(|(name, value)| (name.to_owned(), value.replace(['\n', '\t'], " "))).into();
    let copy = job.folder.join("script");
    fs::write(&copy, text)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700))?;
    job.save()?;
    Ok(job)
}

/// Who submits: PBS takes the user that the process belongs to.
fn owner() -> String {
    let id = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = users.lines().find(|line| line.split(':').nth(2) == Some(&id));
    own.and_then(|line| line.split(':').next()).map_or(id.clone(), str::to_owned)
}

/// One process for each element stands for the node's daemon.
fn start(site: &Site, program: &Path, job: &Job) {
    let elements = job.elements();
    let lives = elements.iter().map(|index| Some(*index)).chain(elements.is_empty().then_some(None));
    for element in lives {
        let mut command = Command::new(program);
        command.arg("play").arg(&site.root).arg("mom").arg(job.number.to_string());
        command.args(element.map(|index| index.to_string()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = command.current_dir("/").spawn() {
            let _ = job.tell(element, "exit", &format!("-1\n{error}"));
        }
    }
}
