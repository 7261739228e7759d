//! The `rpar` command, for programs that add backends of their own to those that come with rpar. The commands are here,
//! one file each.
//!
//! How the command line is read is no part of what this library promises: no type of it is public.

mod arguments;
mod attach;
mod clean;
mod completion;
mod context;
mod documents;
mod engines;
mod exit;
mod failures;
mod here;
pub(crate) mod input;
mod interpreter;
mod interrupt;
mod list;
mod log;
mod logs;
mod man;
mod map;
mod node;
mod output;
mod probe;
mod profile;
mod report;
mod run;
mod serve;
mod start;
mod status;
mod stdio;
mod stop;
mod submission;
mod task;
pub(crate) mod template;
mod there;
mod walltime;
mod why;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;
use rpar_runtime::native::NativeFunctions;

use self::arguments::ahead::Ahead;
use self::arguments::{Cli, Commands, params};
use self::context::Context;
use self::exit::Exit;
use self::output::{ColorChoice, Output};
use self::report::{Outcome, Report};
use crate::paths::flags;
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::remote::Remote;

/// Runs this process as the `rpar` command, with the backends of `registry`.
///
/// It reads the process's arguments, sets up its log and, for some commands, its signals: call it first thing in `main`,
/// once. The program then is all of rpar: a cluster that it starts runs it again as controller, pilot and engine host.
/// The exit status is one of the table that `--help` ends with.
pub fn run(registry: Registry) -> ExitCode {
    run_words(registry, NativeFunctions::new(), std::env::args_os().collect())
}

/// [`run`] with a command line of one's own, the program's name first, and engines that know `native`.
pub(crate) fn run_words(registry: Registry, native: NativeFunctions, words: Vec<OsString>) -> ExitCode {
    match understood(registry, native, words) {
        Ok(exit) => exit.into(),
        Err((output, report)) => {
            output.report(&report);
            report.exit.into()
        }
    }
}

fn understood(
    registry: Registry,
    native: NativeFunctions,
    words: Vec<OsString>,
) -> Result<Exit, (Output, Report)> {
    let profiles = Profiles::current();
    let plain = Output::new(false, false, ColorChoice::Auto);
    match there::run(&words) {
        Ok(None) => {}
        Ok(Some(exit)) => return Ok(exit),
        Err(report) => return Err((plain, report)),
    }
    let (cli, values) = match parse(&profiles, words) {
        Ok(Parsed::Command(cli, values)) => (*cli, values),
        Ok(Parsed::Shown(exit)) => return Ok(exit),
        Err(report) => return Err((plain, report)),
    };
    let global = &cli.global;
    let output = Output::new(global.json, global.quiet, global.color);
    log::watch(&cli);
    let remote = Remote::parse(&global.profile()).map_err(|error| (output, error.into()))?;
    let context = Context {
        output,
        profiles,
        registry,
        native,
        profile: global.profile(),
        remote,
        cluster_id: global.cluster_id.clone(),
        values,
    };
    let flags = flags(&context.profile, &context.cluster_id);
    obey(&context, &cli.command).map_err(|report| (output, report.about(&flags)))
}

fn obey(context: &Context, command: &Commands) -> Outcome {
    match command {
        Commands::Start(arguments) => start::run(context, arguments),
        Commands::Stop(arguments) => stop::run(context, arguments),
        Commands::Status(arguments) => status::run(context, arguments),
        Commands::Why(arguments) => why::run(context, arguments),
        Commands::List => list::run(context),
        Commands::Clean(arguments) => clean::run(context, arguments),
        Commands::Engines(command) => engines::run(context, command),
        Commands::Map(arguments) => map::run(context, arguments),
        Commands::Run(arguments) => run::run(context, arguments),
        Commands::Submit(arguments) => submission::submit::run(context, arguments),
        Commands::Tasks(arguments) => submission::tasks::run(context, arguments),
        Commands::Wait(arguments) => submission::wait::run(context, arguments),
        Commands::Results(arguments) => submission::results::run(context, arguments),
        Commands::Cancel(arguments) => submission::cancel::run(context, arguments),
        Commands::Logs(arguments) => logs::run(context, arguments),
        Commands::Profile(command) => profile::run(context, command),
        Commands::Completions(arguments) => completion::script(context, arguments.shell),
        Commands::Complete(arguments) => completion::answer(context, arguments),
        Commands::Man(arguments) => man::run(context, arguments),
        Commands::Controller(arguments) => serve::controller(context, arguments),
        Commands::Pilot(arguments) => serve::pilot(context, arguments),
        Commands::Engine(arguments) => serve::engine(context, arguments),
        Commands::Probe(arguments) => probe::run(context, arguments),
        Commands::Stdio => stdio::run(context),
    }
}

/// What the command line comes to.
enum Parsed {
    Command(Box<Cli>, BTreeMap<String, String>),
    /// clap has said it all: help, version, or what is wrong.
    Shown(Exit),
}

fn parse(profiles: &Profiles, words: Vec<OsString>) -> Outcome<Parsed> {
    let ahead = Ahead::of(&words);
    let name = ahead.profile_name();
    // what another host's profile has for parameters is not known here
    let known = ahead.takes_params() && Remote::parse(&name)?.is_none();
    let (params, broken) = match known.then(|| profiles.load(&name)).transpose() {
        Ok(profile) => (profile.map(|profile| profile.params().to_vec()).unwrap_or_default(), None),
        // what is wrong is its finding, and only unknown flags cannot be read
        Err(error) if ahead.checks() => (Vec::new(), Some(error)),
        Err(error) => return Err(error.into()),
    };
    let parsed = params::command(&params).try_get_matches_from(words).and_then(|matches| {
        let values = params::given(&matches, &params);
        Ok(Parsed::Command(Box::new(Cli::from_arg_matches(&matches)?), values))
    });
    match parsed {
        Ok(parsed) => Ok(parsed),
        Err(error) => {
            if let (ErrorKind::UnknownArgument, Some(broken)) = (error.kind(), broken) {
                return Err(broken.into());
            }
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // a closed pipe is the reader's wish
            let _ = error.print();
            Ok(Parsed::Shown(exit))
        }
    }
}

/// Waits for something asynchronous in a command that otherwise is not.
fn block_on<T, E: Into<Report>>(work: impl Future<Output = Result<T, E>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Report::of(Exit::Files, &error).because("no runtime could be made"))?;
    runtime.block_on(work).map_err(Into::into)
}
