//! The hidden commands: the processes that a cluster is made of.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::time::{Instant, SystemTime};

use rpar_core::id::AllocationId;
use rpar_core::profile::Shape;
use rpar_core::wire::Registration;
use rpar_runtime::controller::ControllerError;
use rpar_runtime::engine::{Connection, EngineSetup, PythonSettings};
use rpar_runtime::files::{ENGINE_FILE, Handed, host_name};
use rpar_runtime::pilot::{ApartSetup, PilotSetup};
use rpar_runtime::{controller, engine, pilot};
use rustix::process::{Signal, getpid, kill_process, setsid};

use super::context::{Context, program};
use super::failures::PLACE;
use super::{node, walltime};
use crate::Site;
use crate::cluster::controller_setup;
use crate::command::arguments::{ControllerArguments, DirectoryArguments, EngineArguments, PilotArguments};
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;
use crate::profile::Resolved;

/// `rpar controller`.
pub(crate) fn controller(context: &Context, arguments: &ControllerArguments) -> Outcome {
    // fails only for the leader of a process group, as whoever types this command by hand is
    let _ = setsid();
    if arguments.throw_away {
        end_with_stdin()?;
    }
    let (directory, resolved, site) = opened(context, &arguments.at)?;
    let setup = controller_setup(&resolved, &site, &directory, &program()?, arguments.throw_away)?;
    let served = serve(controller::serve(setup))?;
    // one that did not come up is waited for by who has started it, and reads why in its log
    if arguments.throw_away && served.is_ok() {
        directory.remove().map_err(|error| Report::of(Exit::Files, &error))?;
    }
    served.map_err(|error| failed(error, &directory))?;
    Ok(Exit::Ok)
}

fn failed(error: ControllerError, directory: &ClusterDir) -> Report {
    let report = Report::of(Exit::Controller, &error);
    match error {
        ControllerError::Listen(_) | ControllerError::NoEndpoint => report.hint(format!(
            "`listen` and `advertise` in `[transport]` say where a controller listens and what nodes are told: \
             `rpar profile check {}` looks at both",
            directory.profile
        )),
        ControllerError::File(_) => report.hint(PLACE),
        _ => report,
    }
}

/// Has this process end in good order when the process at the other end of stdin goes, however it goes.
fn end_with_stdin() -> Outcome<()> {
    let watch = || {
        let mut buffer = [0; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(count) if count > 0) {}
        let _ = kill_process(getpid(), Signal::TERM);
    };
    let thread = std::thread::Builder::new().name("rpar-life-line".into()).spawn(watch);
    thread.map(drop).map_err(|error| Report::of(Exit::Controller, &error))
}

/// `rpar pilot`.
pub(crate) fn pilot(context: &Context, arguments: &PilotArguments) -> Outcome {
    let (directory, resolved, site) = opened(context, &arguments.at)?;
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let allocation = allocation(&environment);
    let ends =
        walltime::left(&environment, SystemTime::now()).and_then(|left| Instant::now().checked_add(left));
    let mut words = vec![match &resolved.engines.program {
        Some(program) => program.clone(),
        None => program()?.display().to_string(),
    }];
    words.push("engine".into());
    let apart = match resolved.storage.shared {
        true => None,
        false => Some(ApartSetup { bring: resolved.engines.program.is_none(), profile: resolved.to_toml()? }),
    };
    if apart.is_some() {
        words.push("--handed".into());
    } else {
        words.extend(["--directory".into(), directory.path.display().to_string()]);
        if arguments.at.resolved != Resolved::FILE {
            words.extend(["--resolved".into(), arguments.at.resolved.clone()]);
        }
    }
    words.extend(allocation.iter().flat_map(|id| ["--allocation".into(), id.to_string()]));
    let element = (resolved.request.shape == Shape::Array).then(|| element(&environment));
    words.extend(element.iter().flat_map(|index| ["--element".into(), index.to_string()]));
    let engines = match element {
        Some(index) => share(resolved.engines.total, resolved.engines.ppn, index),
        None => arguments.engines.unwrap_or(resolved.engines.total),
    };
    let connection = directory.engine_file();
    let logs = directory.logs();
    let served = serve(async move {
        let nodes = site.scheduler.nodes(&environment).await.map_err(Report::from)?;
        let setup = PilotSetup {
            connection,
            transport: site.transport,
            launcher: site.launcher,
            nodes,
            allocation,
            element,
            ends,
            engines,
            ppn: resolved.engines.ppn,
            program: words,
            setup: resolved.engines.setup,
            logs,
            apart,
            restarts: resolved.engines.restarts,
            lost_after: resolved.controller.lost_after,
            give_up_after: resolved.engines.give_up_after,
        };
        pilot::serve(setup).await.map_err(|error| Report::of(Exit::Engines, &error))
    })?;
    served.map(|()| Exit::Ok)
}

/// The site's id of the allocation that this process was started in, as its scheduler gave it out.
pub(crate) fn allocation(environment: &BTreeMap<String, String>) -> Option<AllocationId> {
    // an element's pilot names the array, whose own name each site gives in another variable
    let names = ["RPAR_ALLOCATION_ID", "SLURM_ARRAY_JOB_ID", "PBS_JOBID", "SLURM_JOB_ID"];
    let site = || names.iter().find_map(|name| environment.get(*name)).map(|id| array_of(id));
    rpar_backends::own_allocation(environment).or_else(site)
}

/// The array that an element is in, as PBS and Torque name both: `4[2].login1` is in `4[].login1`.
fn array_of(id: &str) -> AllocationId {
    let parts = id.split_once('[').and_then(|(number, rest)| Some((number, rest.split_once(']')?.1)));
    AllocationId(parts.map_or_else(|| id.to_owned(), |(number, server)| format!("{number}[]{server}")))
}

/// Which element of an array this process was started in, from 1 on. An array of one is none to some sites.
fn element(environment: &BTreeMap<String, String>) -> u32 {
    let names = ["SLURM_ARRAY_TASK_ID", "PBS_ARRAY_INDEX", "PBS_ARRAYID"];
    names.iter().find_map(|name| environment.get(*name)?.parse().ok()).unwrap_or(1)
}

/// How many of all engines are an element's, when nodes are filled in order.
fn share(total: u32, ppn: u32, element: u32) -> u32 {
    total.saturating_sub(element.saturating_sub(1).saturating_mul(ppn)).min(ppn)
}

/// `rpar engine`.
pub(crate) fn engine(context: &Context, arguments: &EngineArguments) -> Outcome {
    let (connection, resolved) = match &arguments.directory {
        Some(directory) => {
            let file = directory.join(ENGINE_FILE);
            (Connection::File(file), Resolved::read(&directory.join(&arguments.resolved))?)
        }
        None => {
            let Handed { profile, connection } = Handed::read(std::io::stdin())?;
            (
                Connection::Given(connection.into()),
                Resolved::parse(&profile, "handed over on stdin".as_ref())?,
            )
        }
    };
    let site = context.site(&resolved)?;
    let name = ["RPAR_NODE", "SLURMD_NODENAME"].iter().find_map(|name| std::env::var(name).ok());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let gpus = node::gpus(&resolved.engines);
    let setup = EngineSetup {
        connection,
        transport: site.transport,
        registration: Registration {
            node: name.unwrap_or_else(host_name),
            engines: arguments.engines,
            pid: std::process::id(),
            allocation: arguments.allocation.clone().map(AllocationId),
            element: arguments.element,
            labels: resolved.engines.labels.clone(),
            resources: node::resources(&resolved.engines, &gpus),
        },
        native: context.native.clone(),
        python: PythonSettings { executable: resolved.python.executable.map(Into::into) },
        gpus,
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        lost_after: resolved.controller.lost_after,
        give_up_after: resolved.engines.give_up_after,
    };
    serve(engine::serve(setup))?.map_err(|error| Report::of(Exit::Engines, &error))?;
    Ok(Exit::Ok)
}

/// A cluster's directory, its profile and its site, as the cluster's own processes are told of them.
fn opened(context: &Context, arguments: &DirectoryArguments) -> Outcome<(ClusterDir, Resolved, Site)> {
    let path = &arguments.directory;
    let cluster_id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let resolved = Resolved::read(&path.join(&arguments.resolved))?;
    let site = context.site(&resolved)?;
    let directory = ClusterDir { profile: resolved.profile.clone(), cluster_id, path: path.to_owned() };
    Ok((directory, resolved, site))
}

fn serve<T: Send + 'static>(process: impl Future<Output = T> + Send + 'static) -> Outcome<T> {
    let served = rpar_runtime::run(process);
    served.map_err(|error| Report::of(Exit::Files, &error).because("no runtime could be made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pilot_knows_its_allocation_by_what_the_site_or_the_script_set() {
        let of = |names: &[(&str, &str)]| {
            let environment = names.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            allocation(&environment.collect()).map(|id| id.0)
        };
        assert_eq!(of(&[("SLURM_JOB_ID", "7"), ("PBS_JOBID", "7.login1")]).as_deref(), Some("7.login1"));
        assert_eq!(of(&[("SLURM_JOB_ID", "7"), ("RPAR_ALLOCATION_ID", "x7")]).as_deref(), Some("x7"));
        assert_eq!(of(&[]), None);
        for (names, id) in [
            (&[("PBS_JOBID", "4[2].login1"), ("PBS_ARRAY_INDEX", "2")][..], "4[].login1"),
            (&[("SLURM_JOB_ID", "9"), ("PBS_JOBID", "9"), ("SLURM_ARRAY_JOB_ID", "8")], "8"),
        ] {
            assert_eq!(of(names).as_deref(), Some(id));
        }
    }

    #[test]
    fn each_element_has_its_share_of_the_engines() {
        let shares = |total, ppn| (1..=4).map(|element| share(total, ppn, element)).collect::<Vec<_>>();
        assert_eq!(shares(32, 8), [8, 8, 8, 8]);
        assert_eq!(shares(27, 8), [8, 8, 8, 3]);
        assert_eq!(shares(3, 8), [3, 0, 0, 0]);
        let of = |name: &str, value: &str| element(&[(name.to_owned(), value.to_owned())].into());
        assert_eq!(
            [of("SLURM_ARRAY_TASK_ID", "3"), of("PBS_ARRAY_INDEX", "2"), of("PBS_ARRAYID", "4")],
            [3, 2, 4]
        );
        assert_eq!(element(&BTreeMap::new()), 1);
    }
}
