//! `rpar probe`: the processes of `rpar profile check --live` on the granted nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rpar_runtime::files::{Handed, read_connection};

use super::context::{Context, program};
use crate::command::arguments::ProbeArguments;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::probe::{self, Begun, CONNECTION_FILE};
use crate::profile::Resolved;
use crate::site::Site;

pub(crate) fn run(context: &Context, arguments: &ProbeArguments) -> Outcome {
    if arguments.node {
        return tell(context, probe::node(begun(context, arguments.directory.clone())));
    }
    let directory = arguments.directory.clone().unwrap_or_default();
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let opened = opened(context, &directory);
    let resolved = opened.as_ref().ok().map(|(resolved, _)| resolved);
    let own = resolved.and_then(|resolved| resolved.engines.program.clone());
    let mut argv = vec![own.unwrap_or(program()?.display().to_string()), "probe".into(), "--node".into()];
    if resolved.is_none_or(|resolved| resolved.storage.shared) {
        argv.extend(["--directory".into(), directory.display().to_string()]);
    }
    tell(context, probe::first(&directory, opened, &environment, argv))
}

/// What the job's output gets, whatever became of the link.
fn tell(context: &Context, told: impl Future<Output = String>) -> Outcome {
    let line = super::block_on(async { Ok::<_, Report>(told.await) })?;
    context.output.answer(&line)?;
    Ok(Exit::Ok)
}

/// What the node knows from the directory, or from stdin where it sees none.
fn begun(context: &Context, directory: Option<PathBuf>) -> Begun {
    let (connection, opened) = match &directory {
        Some(directory) => {
            let file = read_connection(&directory.join(CONNECTION_FILE));
            (file.map_err(|error| error.to_string()), opened(context, directory))
        }
        None => match Handed::read(std::io::stdin()) {
            Ok(Handed { profile, connection }) => {
                let resolved = Resolved::parse(&profile, "handed over on stdin".as_ref());
                (
                    Ok(connection),
                    resolved.map_err(|error| error.to_string()).and_then(|one| made(context, one)),
                )
            }
            Err(error) => (Err(error.to_string()), Err(error.to_string())),
        },
    };
    let opened = opened.ok();
    let python = opened.as_ref().and_then(|(resolved, _)| resolved.python.executable.clone());
    Begun { directory, connection, transport: opened.map(|(_, site)| site.transport), python }
}

fn opened(context: &Context, directory: &Path) -> Result<(Resolved, Site), String> {
    let resolved = Resolved::read(&directory.join(Resolved::FILE)).map_err(|error| error.to_string())?;
    made(context, resolved)
}

fn made(context: &Context, resolved: Resolved) -> Result<(Resolved, Site), String> {
    let site = Site::new(&resolved, &context.registry).map_err(|error| error.to_string())?;
    Ok((resolved, site))
}
