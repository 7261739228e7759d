//! What launchers share: a local process stands for each node's process, be it the process itself or what carries it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rpar_core::error::{Action, BackendError, CommandTrace, Retry};
use rpar_core::launcher::{GroupHandle, Node, ProcessGroup, ProcessHandle, ProcessState, Signal};

use crate::children::{Children, Start};
use crate::process;

/// The local process for one node.
pub(crate) struct Carrier {
    pub(crate) argv: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// What it reads first on a pipe that stays open as long as we live; `None` is nothing at all.
    pub(crate) stdin: Option<String>,
}

/// Starts a carrier for each node, in order.
///
/// # Errors
/// When none could be started, or when the nodes share no files with this host.
pub(crate) fn start(
    launcher: &str,
    children: &Children,
    group: &ProcessGroup,
    nodes: &[Node],
    carrier: impl Fn(&Node) -> Carrier,
) -> Result<GroupHandle, BackendError> {
    shares_files(launcher, group)?;
    start_anywhere(launcher, children, group, nodes, carrier)
}

/// Refuses a group whose nodes share no files with this host.
///
/// # Errors
/// When they do not.
pub(crate) fn shares_files(launcher: &str, group: &ProcessGroup) -> Result<(), BackendError> {
    if group.apart.is_none() {
        return Ok(());
    }
    Err(BackendError {
        backend: launcher.into(),
        action: Action::Start,
        retry: Retry::Never,
        reason: "it brings nothing to nodes that share no files with this host".into(),
        command: None,
        hint: Some(
            "use `kind = \"ssh\"` in [launcher], or have a shared directory: see `shared` in [storage]"
                .into(),
        ),
    })
}

/// The same where the carriers bring what nodes without shared files need.
///
/// # Errors
/// When none could be started.
pub(crate) fn start_anywhere(
    launcher: &str,
    children: &Children,
    group: &ProcessGroup,
    nodes: &[Node],
    carrier: impl Fn(&Node) -> Carrier,
) -> Result<GroupHandle, BackendError> {
    let mut processes = Vec::with_capacity(nodes.len());
    let mut failed = None;
    for node in nodes {
        let carrier = carrier(node);
        let log = log(group, &node.name);
        let start = Start {
            argv: &carrier.argv,
            environment: &carrier.environment,
            directory: None,
            log: &log,
            stdin: carrier.stdin.as_deref(),
        };
        processes.push(match children.start(&start) {
            Ok((pid, start_time)) => {
                ProcessHandle { node: node.name.clone(), pid: Some(pid), start_time, error: None }
            }
            Err(error) => {
                let program = carrier.argv.first().map(String::as_str).unwrap_or_default();
                let reason = format!("`{program}` could not be started: {error}");
                failed = Some((reason.clone(), carrier.argv));
                ProcessHandle { node: node.name.clone(), pid: None, start_time: 0, error: Some(reason) }
            }
        });
    }
    match failed {
        Some((reason, argv)) if processes.iter().all(|process| process.pid.is_none()) => Err(BackendError {
            backend: launcher.into(),
            action: Action::Start,
            retry: Retry::Never,
            reason,
            command: Some(CommandTrace { argv, exit: None, output: String::new() }),
            hint: None,
        }),
        _ => Ok(GroupHandle { launcher: launcher.into(), processes }),
    }
}

/// The log of a node's process. A node's name is the site's, but it must not leave the directory of logs.
pub(crate) fn log(group: &ProcessGroup, node: &str) -> PathBuf {
    group.logs.join(format!("{}.log", node.replace('/', "_")))
}

/// How each process of the group is.
pub(crate) fn poll(children: &Children, handle: &GroupHandle) -> Vec<ProcessState> {
    let state = |process: &ProcessHandle| match process.pid {
        Some(pid) => children.state(pid, process.start_time),
        None => ProcessState::Ended { exit: None, signal: None, detail: process.error.clone() },
    };
    handle.processes.iter().map(state).collect()
}

/// Signals the carriers that still run, with their groups.
///
/// # Errors
/// When one could not be signalled; the others were.
pub(crate) fn signal(launcher: &str, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
    let mut failed = None;
    for process in &handle.processes {
        let Some(pid) = process.pid.filter(|pid| process::runs(*pid, process.start_time)) else { continue };
        if let Err(error) = process::signal_group(pid, signal) {
            failed = Some(format!("process {pid} of {}: {error}", process.node));
        }
    }
    match failed {
        None => Ok(()),
        Some(reason) => Err(BackendError {
            backend: launcher.into(),
            action: Action::Signal,
            retry: Retry::Never,
            reason,
            command: None,
            hint: None,
        }),
    }
}

/// A shell, and `srun`, tell of a death by signal n as exit status 128 + n.
pub(crate) fn told_by_shell(state: ProcessState) -> ProcessState {
    match state {
        ProcessState::Ended { exit: Some(status @ 129..=192), signal: None, detail } => {
            ProcessState::Ended { exit: None, signal: Some(status - 128), detail }
        }
        state => state,
    }
}
