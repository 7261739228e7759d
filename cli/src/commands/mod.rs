//! The commands, one file each.

mod attach;
mod context;
mod failures;
mod list;
mod logs;
mod map;
mod profile;
mod run;
mod serve;
mod start;
mod status;
mod stop;
mod task;

pub(crate) use context::Context;

use std::future::Future;

use crate::arguments::Commands;
use crate::exit::Exit;
use crate::report::{Outcome, Report};

/// Runs one command.
pub(crate) fn run(context: &Context, command: &Commands) -> Outcome {
    match command {
        Commands::Start(arguments) => start::run(context, arguments),
        Commands::Stop(arguments) => stop::run(context, arguments),
        Commands::Status(arguments) => status::run(context, arguments),
        Commands::List => list::run(context),
        Commands::Map(arguments) => map::run(context, arguments),
        Commands::Run(arguments) => run::run(context, arguments),
        Commands::Logs(arguments) => logs::run(context, arguments),
        Commands::Profile(command) => profile::run(context, command),
        Commands::Controller(arguments) => serve::controller(arguments),
        Commands::Pilot(arguments) => serve::pilot(&arguments.directory),
        Commands::Engine(arguments) => serve::engine(arguments),
    }
}

/// Waits for something asynchronous in a command that otherwise is not.
fn block_on<T, E: Into<Report>>(work: impl Future<Output = Result<T, E>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Report::of(Exit::Files, &error).because("no runtime could be made"))?;
    runtime.block_on(work).map_err(Into::into)
}
