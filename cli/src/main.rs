//! The `rpar` command: a thin layer above the library of the same name.

mod arguments;
mod commands;
mod exit;
mod interrupt;
mod output;
mod report;
mod template;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;
use rpar::profile::Profiles;
use tracing_subscriber::EnvFilter;

use arguments::{Cli, Commands};
use commands::Context;
use exit::Exit;
use output::{ColorChoice, Output};
use report::{Outcome, Report};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match run(words) {
        Ok(exit) => exit.into(),
        Err((output, report)) => {
            output.report(&report);
            report.exit.into()
        }
    }
}

fn run(words: Vec<OsString>) -> Result<Exit, (Output, Report)> {
    let profiles = Profiles::current();
    let plain = Output::new(false, false, ColorChoice::Auto);
    let (cli, values) = match parse(&profiles, words) {
        Ok(Parsed::Command(cli, values)) => (*cli, values),
        Ok(Parsed::Shown(exit)) => return Ok(exit),
        Err(report) => return Err((plain, report)),
    };
    let global = &cli.global;
    let output = Output::new(global.json, global.quiet, global.color);
    watch(&cli);
    let context = Context {
        output,
        profiles,
        profile: global.profile(),
        cluster_id: global.cluster_id.clone(),
        values,
    };
    commands::run(&context, &cli.command).map_err(|report| (output, report))
}

/// What the command line comes to.
enum Parsed {
    Command(Box<Cli>, std::collections::BTreeMap<String, String>),
    /// clap has said it all: help, version, or what is wrong.
    Shown(Exit),
}

fn parse(profiles: &Profiles, words: Vec<OsString>) -> Outcome<Parsed> {
    let params = match arguments::profile_before_flags(&words) {
        Some(given) => {
            let name = arguments::profile_name(given);
            profiles.load(&name)?.params().to_vec()
        }
        None => Vec::new(),
    };
    let parsed = arguments::command(&params).try_get_matches_from(words).and_then(|matches| {
        let values = arguments::given(&matches, &params);
        Ok(Parsed::Command(Box::new(Cli::from_arg_matches(&matches)?), values))
    });
    match parsed {
        Ok(parsed) => Ok(parsed),
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // a closed pipe is the reader's wish
            let _ = error.print();
            Ok(Parsed::Shown(exit))
        }
    }
}

/// Sends what the libraries log to stderr: warnings, more with -v; a cluster's own processes always tell what they do.
fn watch(cli: &Cli) {
    let serves = matches!(cli.command, Commands::Controller(_) | Commands::Pilot(_) | Commands::Engine(_));
    let level = match cli.global.verbose + u8::from(serves) {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("RPAR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if serves {
        log.with_target(false).init();
    } else {
        log.with_target(false).without_time().init();
    }
}
