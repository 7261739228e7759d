//! Python tasks: every engine has one interpreter child of its own, which keeps its namespace from task to task.
//!
//! The child (the files below `interpreter/`, handed over at its start) reads tasks from a socket and answers each. Several tasks are written ahead, so that it never waits for the next one
//! as long as they are short ([`pace`]); those that have not begun can be taken back ([`control`]). When the child dies,
//! the task that ran is reported, the others go to a fresh child.

mod child;
mod control;
mod death;
mod endings;
mod executor;
mod frames;
mod held;
mod live;
mod means;
mod output;
mod pace;
mod refusal;
mod script;
#[cfg(test)]
mod tests;

pub(crate) use executor::PythonExecutor;
