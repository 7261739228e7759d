//! A launcher whose processes exist only here: tests end them as they like.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessHandle, ProcessState, Signal};

/// Longer than anything takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// One pretended process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) node: String,
    pub(super) argv: Vec<String>,
    pub(super) state: ProcessState,
    pub(super) signals: Vec<Signal>,
}

#[derive(Debug, Default)]
pub(super) struct Fleet {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    /// Starts are refused for good with this reason.
    pub(super) refuses: Option<String>,
    /// Processes on this node do not heed SIGTERM.
    pub(super) stubborn: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    processes: Vec<Process>,
    /// The nodes of each call of `start`.
    calls: Vec<Vec<String>>,
}

impl Fleet {
    /// Waits until so many processes were started, and tells of all.
    pub(super) fn await_processes(&self, count: usize) -> Vec<Process> {
        let state = self.state.lock().unwrap();
        let few = |state: &mut State| state.processes.len() < count;
        let (state, late) = self.changed.wait_timeout_while(state, PATIENCE, few).unwrap();
        assert!(!late.timed_out(), "waited in vain for {count} processes: {:?}", state.processes);
        state.processes.clone()
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.await_processes(0)
    }

    pub(super) fn calls(&self) -> Vec<Vec<String>> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Ends a process.
    pub(super) fn end(&self, index: usize, exit: Option<i32>, signal: Option<i32>, detail: &str) {
        let detail = Some(detail.to_owned());
        self.state.lock().unwrap().processes[index].state = ProcessState::Ended { exit, signal, detail };
    }
}

#[async_trait]
impl Launcher for Fleet {
    fn name(&self) -> String {
        "pretended".to_owned()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(nodes.iter().map(|node| node.name.clone()).collect());
        if let Some(reason) = &self.refuses {
            return Err(BackendError {
                backend: self.name(),
                action: Action::Start,
                retry: Retry::Never,
                reason: reason.clone(),
                command: None,
                hint: None,
            });
        }
        let mut processes = Vec::new();
        for node in nodes {
            processes.push(ProcessHandle {
                node: node.name.clone(),
                pid: Some(state.processes.len() as u32),
                start_time: 0,
                error: None,
            });
            state.processes.push(Process {
                node: node.name.clone(),
                argv: group.argv.clone(),
                state: ProcessState::Running,
                signals: Vec::new(),
            });
        }
        self.changed.notify_all();
        Ok(GroupHandle { launcher: self.name(), processes })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        let state = self.state.lock().unwrap();
        let of = |process: &ProcessHandle| state.processes[process.pid.unwrap() as usize].state.clone();
        Ok(handle.processes.iter().map(of).collect())
    }

    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        let mut state = self.state.lock().unwrap();
        for process in &handle.processes {
            let process = &mut state.processes[process.pid.unwrap() as usize];
            if process.state != ProcessState::Running {
                continue;
            }
            process.signals.push(signal);
            let heeds = signal == Signal::Kill || self.stubborn.as_ref() != Some(&process.node);
            if heeds {
                process.state = ProcessState::Ended { exit: Some(0), signal: None, detail: None };
            }
        }
        Ok(())
    }
}
