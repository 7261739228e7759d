//! `rpar engines list`, `add` and `remove`.

mod add;
mod list;
mod remove;

use std::time::Duration;

pub(super) use list::{engine_state, running_and_queued, table};

use super::context::Context;
use crate::command::arguments::EnginesCommands;
use crate::command::report::Outcome;

/// A controller answers in a millisecond; one that is this late is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn run(context: &Context, command: &EnginesCommands) -> Outcome {
    match command {
        EnginesCommands::List => list::run(context),
        EnginesCommands::Add(arguments) => add::run(context, arguments),
        EnginesCommands::Remove(arguments) => remove::run(context, arguments),
    }
}
