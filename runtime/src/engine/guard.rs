//! Kills the engine host's children should it be killed itself.

use rustix::process::Pid;

/// Which of an engine's two possible children is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// The command that runs.
    Command = 0,
    /// The interpreter, which lives from task to task.
    Interpreter = 1,
}

/// Knows the process groups of all children of this host.
#[derive(Debug)]
pub(crate) struct Guard {}

impl Guard {
    /// From here on, the process group of the engine in `slot` dies with this host.
    pub(crate) fn watch(&self, slot: u32, child: Child, group: Pid) {
        let _ = (slot, child, group);
    }

    /// The group has ended. To be called before its leader is waited for: from then on its number may mean another.
    pub(crate) fn release(&self, slot: u32, child: Child) {
        let _ = (slot, child);
    }
}
