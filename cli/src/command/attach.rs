//! The cluster that work goes to, and its end.

use std::time::{Duration, Instant};

use rpar_runtime::files::{Liveness, read_controller};

use super::context::{Context, program};
pub(crate) use crate::cluster::Attached;
use crate::cluster::{self, AttachError, ThrowAwayError, Wanted, plural};
use crate::command::arguments::ThrowAwayArguments;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// How long a process may take from closing its links to its end.
const DYING: Duration = Duration::from_millis(200);

/// Links to the named cluster, or starts a throw-away one.
pub(crate) fn attach(context: &Context, arguments: &ThrowAwayArguments) -> Outcome<Attached> {
    let attached = cluster::attach(&Wanted {
        profiles: &context.profiles,
        registry: &context.registry,
        profile: &context.profile,
        cluster_id: &context.cluster_id,
        values: &context.values,
        engines: arguments.engines,
        allocate: arguments.start,
        program: &program()?,
    })?;
    let useless = arguments.engines.is_some() || !context.values.is_empty();
    if let Some(directory) = attached.named.as_ref().filter(|_| useless) {
        let cluster = directory.cluster();
        context
            .output
            .warn(&format!("cluster {cluster} runs already: the options for a throw-away one do nothing"));
    }
    Ok(attached)
}

impl Attached {
    /// What to do when the link was lost: a throw-away cluster takes its logs along.
    pub(crate) fn hint_when_lost(&self) -> String {
        match &self.named {
            None => {
                "the controller was started for this work alone and has ended; with `rpar start` before, its log is kept"
                    .to_owned()
            }
            Some(directory) if has_died(directory) => {
                let [stop, logs] = ["stop", "logs controller"].map(|verb| directory.command(verb));
                format!("the controller has died: {stop} gives back what it has left, {logs} may say why")
            }
            Some(directory) => {
                let [status, logs] = ["status", "logs controller"].map(|verb| directory.command(verb));
                format!("{status} tells whether it still runs, {logs} what it says")
            }
        }
    }

    /// Ends the link, and the cluster if it was a throw-away one.
    pub(crate) fn finish(self) -> Outcome<()> {
        let Attached { client, throw_away, .. } = self;
        let Some(mut throw_away) = throw_away else { return Ok(()) };
        // an end without goodbye shows in what follows
        let _ = cluster::stop(throw_away.directory(), &client);
        drop(client);
        Ok(throw_away.end()?)
    }
}

/// Whether the cluster's controller is dead, or is just dying: its links close a little before its process is gone.
fn has_died(directory: &ClusterDir) -> bool {
    let deadline = Instant::now() + DYING;
    loop {
        // one that ends in good order removes its record
        let Ok(Some(record)) = read_controller(&directory.path) else { return false };
        match record.process().liveness() {
            Liveness::Gone => return true,
            Liveness::Alive if Instant::now() < deadline => std::thread::sleep(DYING / 20),
            _ => return false,
        }
    }
}

impl From<AttachError> for Report {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Profile(error) => error.into(),
            AttachError::Site(error) => error.into(),
            AttachError::Files(error) => error.into(),
            AttachError::Resolved(error) => error.into(),
            AttachError::Coming { .. } => Report::new(Exit::NotRunning, error.to_string()),
            AttachError::Died { directory } => super::context::died(&directory),
            AttachError::NotRunning { directory, nodes } => {
                let (start, nodes) = (directory.command("start"), plural(nodes.into(), "node"));
                let hint = format!(
                    "{start} starts it; map --start asks the site for {nodes}, maps, and gives them back"
                );
                super::context::not_running(&directory).hint(hint)
            }
            AttachError::Program { .. } => Report::of(Exit::Files, &error),
            AttachError::Link(error) => super::context::unreachable(error),
            AttachError::Remote(error) => error.into(),
            AttachError::ThrowAway { source, temporary } => throw_away(source, temporary),
        }
    }
}

fn throw_away(error: ThrowAwayError, temporary: bool) -> Report {
    use cluster::LaunchError::Directory;
    let unwritable = matches!(&error, ThrowAwayError::Lock(_) | ThrowAwayError::Launch(Directory { .. }));
    let report = match error {
        ThrowAwayError::Randomness { reason } => {
            Report::new(Exit::Files, "the system has no randomness").because(reason)
        }
        ThrowAwayError::Lock(error) => error.into(),
        ThrowAwayError::Launch(error) => error.into(),
        ThrowAwayError::Link(error) => super::context::unreachable(error),
        ThrowAwayError::Profile(error) => error.into(),
    };
    match unwritable && temporary {
        true => report.hint("throw-away clusters live below $TMPDIR (else /tmp)"),
        false => report,
    }
}
