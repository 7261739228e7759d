//! `rpar start --here`: engines in an allocation that the user holds already.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rpar_core::error::BackendError;
use rpar_core::id::AllocationId;
use rpar_core::launcher::Node;
use rpar_core::profile::{RequestSection, Shape};
use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::Client;
use rpar_runtime::files::tail;
use serde_json::json;

use super::context::{Context, program};
use super::serve::allocation;
use crate::cluster::{further_file, plural, write_further};
use crate::command::arguments::StartArguments;
use crate::command::exit::Exit;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;
use crate::profile::{Origin, Profile, Resolved, Surroundings};

/// How often it is looked whether the engines are there: they come within a second or two.
const LOOK: Duration = Duration::from_millis(200);
/// A controller answers in a millisecond; one far away may be busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How much of the pilot's log is shown when it has ended.
const TAIL_BYTES: u64 = 2048;

/// The profile for the nodes of this allocation, which its scheduler reads from the environment.
pub(crate) fn resolve(context: &Context, arguments: &StartArguments) -> Outcome<Resolved> {
    let profile = context.load()?;
    let site = context.site(&profile.resolve(&context.values, None)?)?;
    if !site.scheduler.info().remote_pilot {
        let what = format!("profile {} has no allocations that one could be in", context.profile);
        let hint =
            "--here is for profiles of a batch system, such as slurm; without it the engines start at once";
        return Err(Report::new(Exit::Profile, what).hint(hint));
    }
    let environment = Surroundings::current().variables;
    let outside = |error: BackendError| {
        let what = format!("this is not inside an allocation of profile {}", context.profile);
        let hint = "type it in an interactive job (salloc, qsub -I) or in a job script; without --here, `rpar start` asks for \
                    nodes itself";
        Report::new(Exit::Allocation, what).because(error.reason).hint(hint)
    };
    let nodes = super::block_on(async { site.scheduler.nodes(&environment).await.map_err(outside) })?;
    let resolved = profile.resolve(&values(context, arguments, &profile, &nodes), arguments.engines)?;
    let (wanted, there) = (resolved.engines.nodes, nodes.len());
    if u64::from(wanted) > there as u64 {
        let asked = plural(wanted.into(), "node");
        let what = format!("{asked} were asked for, and this allocation has {there}");
        return Err(Report::new(Exit::Allocation, what).hint("ask for fewer with --nodes or -n"));
    }
    // however the site is asked for nodes, these are there already
    let request = RequestSection { shape: Shape::One, ..resolved.request };
    Ok(Resolved { here: true, request, ..resolved })
}

/// The allocation tells how many nodes there are, and how many engines fit on each, unless somebody says otherwise.
fn values(
    context: &Context,
    arguments: &StartArguments,
    profile: &Profile,
    nodes: &[Node],
) -> BTreeMap<String, String> {
    let mut values = context.values.clone();
    if arguments.engines.is_none() {
        values.entry("nodes".to_owned()).or_insert_with(|| nodes.len().to_string());
    }
    let fits = nodes.iter().map(|node| node.slots).min().unwrap_or(0);
    if fits > 0 && profile.origins().of("params.ppn.default") == Some(&Origin::BuiltIn) {
        values.entry("ppn".to_owned()).or_insert_with(|| fits.to_string());
    }
    values
}

/// Has engines of this allocation join a cluster that runs, here or on another host.
pub(crate) fn join(
    context: &Context,
    arguments: &StartArguments,
    resolved: &Resolved,
    directory: &ClusterDir,
) -> Outcome {
    let client = context.linked(directory)?;
    let id =
        allocation(&Surroundings::current().variables).unwrap_or_else(|| AllocationId("here".to_owned()));
    let lock = directory.lock()?;
    let file = further_file(directory);
    write_further(directory, &file, resolved)?;
    drop(lock);
    let of_it = |status: &ClusterStatus| {
        status.engines.iter().filter(|engine| engine.allocation.as_ref() == Some(&id)).count()
    };
    let before = of_it(&client.status(None, ANSWER_WITHIN)?);
    let log = directory.logs().join(id.log_name().unwrap_or_else(|| "allocation-here.log".to_owned()));
    let mut pilot = spawn(&engines_program(resolved)?, directory, &file, &log)?;
    let wanted = before + resolved.engines.total as usize;
    if !arguments.no_wait {
        wait(context, arguments.timeout, &client, &mut pilot, &log, |status| (of_it(status), wanted))?;
    }
    let status = client.status(None, ANSWER_WITHIN)?;
    if context.output.json {
        let engines = status.engines.iter().filter(|engine| engine.allocation.as_ref() == Some(&id));
        let engines: Vec<_> = engines.map(|engine| engine.id).collect();
        context
            .output
            .document(json!({ "cluster": directory.cluster(), "allocation": id, "engines": engines }))?;
        return Ok(Exit::Ok);
    }
    let (cluster, more) = (directory.cluster(), plural(resolved.engines.total.into(), "engine"));
    let how = if arguments.no_wait { "will come" } else { "are there" };
    context.output.note(&format!(
        "{more} of this allocation {how}: cluster {cluster} runs on {}",
        status.controller.host
    ));
    Ok(Exit::Ok)
}

fn engines_program(resolved: &Resolved) -> Outcome<PathBuf> {
    resolved.engines.program.as_ref().map_or_else(program, |program| Ok(program.into()))
}

/// Starts the pilot, which ends with the cluster or the allocation.
fn spawn(program: &Path, directory: &ClusterDir, file: &str, log: &Path) -> Outcome<Child> {
    let failed = |error: &dyn std::error::Error| {
        Report::new(Exit::Files, format!("could not start the pilot {}", program.display()))
            .because(error.to_string())
    };
    let out =
        OpenOptions::new().create(true).append(true).mode(0o600).open(log).map_err(|error| failed(&error))?;
    let errors = out.try_clone().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.arg("pilot").arg("--directory").arg(&directory.path).args(["--resolved", file]);
    // what is typed next on this terminal is not for it
    command.stdin(Stdio::null()).stdout(out).stderr(errors).process_group(0);
    command.spawn().map_err(|error| failed(&error))
}

fn wait(
    context: &Context,
    patience: Option<Duration>,
    client: &Client,
    pilot: &mut Child,
    log: &Path,
    count: impl Fn(&ClusterStatus) -> (usize, usize),
) -> Outcome<()> {
    let begun = Instant::now();
    let waiting = Waiting::new(&context.output, "waiting for the engines of this allocation");
    loop {
        let (there, wanted) = count(&client.status(None, ANSWER_WITHIN)?);
        if there >= wanted {
            return Ok(());
        }
        waiting.say(&format!("{there} of {} of this allocation", plural(wanted as u64, "engine")));
        if let Ok(Some(status)) = pilot.try_wait() {
            let what = format!("the pilot of this allocation has ended ({status}) before its engines came");
            return Err(Report::new(Exit::Engines, what).because(tail(log, TAIL_BYTES).unwrap_or_default()));
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            // it ends its engine hosts in good order
            let pilot = i32::try_from(pilot.id()).ok().and_then(rustix::process::Pid::from_raw);
            pilot.map(|pilot| rustix::process::kill_process(pilot, rustix::process::Signal::TERM));
            let what = format!("{there} of {wanted} engines of this allocation came in time");
            return Err(Report::new(Exit::Engines, what).hint("give it longer with --timeout"));
        }
        std::thread::sleep(LOOK);
    }
}
