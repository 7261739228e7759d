//! `rpar probe`: in the pilot's place, has the launcher start a probe on each granted node.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rpar_core::launcher::{Apart, GroupHandle, Launcher, ProcessGroup, ProcessState, Signal};
use rpar_runtime::files::{Handed, host_name, read_connection};

use super::{CONNECTION_FILE, FirstReport, Told};
use crate::profile::Resolved;
use crate::site::Site;

/// How long the probes of the nodes may take; less than the minute that was asked for.
const NODES_TIME: Duration = Duration::from_secs(50);

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Starts `argv` on each node and waits for its end; tells what did not work, and gives
/// the line for the output.
pub(crate) async fn first(
    directory: &Path,
    opened: Result<(Resolved, Site), String>,
    environment: &BTreeMap<String, String>,
    argv: Vec<String>,
) -> String {
    let mut report = FirstReport { host: host_name(), ..FirstReport::default() };
    match opened {
        Ok((resolved, site)) => on_nodes(directory, &resolved, &site, environment, argv, &mut report).await,
        Err(reason) => report.errors.push(reason),
    }
    Told::First(report).leave(Some(directory))
}

async fn on_nodes(
    directory: &Path,
    resolved: &Resolved,
    site: &Site,
    environment: &BTreeMap<String, String>,
    argv: Vec<String>,
    report: &mut FirstReport,
) {
    let nodes = match site.scheduler.nodes(environment).await {
        Ok(nodes) => nodes,
        Err(error) => return report.errors.push(error.to_string()),
    };
    report.nodes = nodes.iter().map(|node| node.name.clone()).collect();
    let apart = match resolved.storage.shared {
        true => Ok(None),
        false => handed(directory, resolved).map(Some),
    };
    let apart = match apart {
        Ok(apart) => apart,
        Err(reason) => return report.errors.push(reason),
    };
    let group = ProcessGroup {
        argv,
        apart,
        setup: resolved.engines.setup.clone(),
        environment: BTreeMap::new(),
        logs: directory.join("logs"),
    };
    match site.launcher.start(&group, &nodes).await {
        Ok(handle) => report.errors = wait(&*site.launcher, &handle).await,
        Err(error) => report.errors.push(error.to_string()),
    }
}

/// What a node is brought that sees no file of this host.
fn handed(directory: &Path, resolved: &Resolved) -> Result<Apart, String> {
    let connection = read_connection(&directory.join(CONNECTION_FILE)).map_err(|error| error.to_string())?;
    let profile = resolved.to_toml().map_err(|error| error.to_string())?;
    let input = Handed { profile, connection }.text().map_err(|error| error.to_string())?;
    Ok(Apart { bring: resolved.engines.program.is_none(), input })
}

/// Waits for the end of all; tells how those have ended that did not end well.
async fn wait(launcher: &dyn Launcher, handle: &GroupHandle) -> Vec<String> {
    let deadline = Instant::now() + NODES_TIME;
    loop {
        let states = match launcher.poll(handle).await {
            Ok(states) => states,
            Err(error) => return vec![error.to_string()],
        };
        let running = states.iter().any(|state| matches!(state, ProcessState::Running));
        if running && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        if running {
            let _ = launcher.signal(handle, Signal::Kill).await;
        }
        let named = handle.processes.iter().map(|process| process.node.as_str()).zip(&states);
        return named.filter_map(|(node, state)| Some(format!("node {node}: {}", bad(state)?))).collect();
    }
}

fn bad(state: &ProcessState) -> Option<String> {
    match state {
        ProcessState::Running => Some(format!("was not done within {} s", NODES_TIME.as_secs())),
        ProcessState::Ended { exit: Some(0), .. } => None,
        ProcessState::Ended { exit, signal, detail } => {
            let how = match (exit, signal) {
                (Some(exit), _) => format!("exit status {exit}"),
                (None, Some(signal)) => format!("killed by signal {signal}"),
                (None, None) => "never started".to_owned(),
            };
            Some(format!("{how}\n{}", detail.as_deref().unwrap_or_default()).trim_end().to_owned())
        }
    }
}
