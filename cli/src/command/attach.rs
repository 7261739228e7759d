//! The cluster that work goes to: the named one if it runs, else a throw-away one.

use std::process::Child;
use std::time::{Duration, Instant};

use rpar_runtime::client::Client;

use super::context::{Context, died, launch, link, not_running};
use crate::Site;
use crate::cluster::{self, ClusterState, LaunchError, discard, plural};
use crate::command::arguments::ThrowAwayArguments;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::{ClusterDir, throw_away_id};
use crate::profile::Resolved;

/// A throw-away controller that has said goodbye only removes its files.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How long a process may take from closing its links to its end.
const DYING: Duration = Duration::from_millis(200);

/// A cluster at hand.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) client: Client,
    /// Where the cluster lives, if it is not a throw-away one.
    named: Option<ClusterDir>,
    throw_away: Option<ThrowAway>,
}

/// A cluster that ends with this process. Dropped in any way, it closes the controller's life line.
#[derive(Debug)]
struct ThrowAway {
    directory: ClusterDir,
    child: Child,
    site: Site,
    resolved: Resolved,
}

/// Links to the named cluster, or starts a throw-away one.
pub(crate) fn attach(context: &Context, arguments: &ThrowAwayArguments) -> Outcome<Attached> {
    let directory = context.directory()?;
    let state = directory.state()?;
    if matches!(state, ClusterState::Alive(_) | ClusterState::Elsewhere(_)) {
        if arguments.engines.is_some() || !context.values.is_empty() {
            let cluster = directory.cluster();
            context.output.warn(&format!(
                "cluster {cluster} runs already: the options for a throw-away one do nothing"
            ));
        }
        let client = context.linked(&directory)?;
        return Ok(Attached { client, named: Some(directory), throw_away: None });
    }
    let resolved = context.resolve(arguments.engines)?;
    let site = context.site(&resolved)?;
    let queued = site.scheduler.info().queued;
    if queued && state == ClusterState::Dead {
        return Err(died(&directory));
    }
    if queued && !arguments.start {
        let (start, nodes) = (directory.command("start"), plural(resolved.engines.nodes.into(), "node"));
        let hint =
            format!("{start} starts it; map --start asks the site for {nodes}, maps, and gives them back");
        return Err(not_running(&directory).hint(hint));
    }
    throw_away(context, &resolved, site)
}

fn throw_away(context: &Context, resolved: &Resolved, site: Site) -> Outcome<Attached> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Report::new(Exit::Files, "the system has no randomness").because(error.to_string())
    })?;
    let cluster_id = throw_away_id(bytes);
    let mut directory = ClusterDir::new(resolved, &cluster_id, context.profiles.surroundings())?;
    let temporary = !site.scheduler.info().remote_pilot;
    if temporary {
        // no other host needs to see it: off the home directory, which may be slow, full or read-only
        directory.path = std::env::temp_dir().join(&cluster_id);
    }
    let unwritable = |report: Report| match temporary {
        true => report.hint("throw-away clusters live below $TMPDIR (else /tmp)"),
        false => report,
    };
    let lock = directory.lock().map_err(|error| unwritable(error.into()))?;
    let child = launch(resolved, true)?.run(&directory).map_err(|error| match error {
        LaunchError::Directory { .. } => unwritable(error.into()),
        other => other.into(),
    })?;
    drop(lock);
    let resolved = resolved.clone();
    let transport = site.transport.clone();
    let throw_away = ThrowAway { directory, child, site, resolved };
    match link(&throw_away.directory, transport) {
        Ok(client) => Ok(Attached { client, named: None, throw_away: Some(throw_away) }),
        Err(report) => {
            throw_away.end()?;
            Err(report)
        }
    }
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
        let Some(throw_away) = throw_away else { return Ok(()) };
        // an end without goodbye shows in what follows
        let _ = cluster::stop(&throw_away.directory, &client);
        drop(client);
        throw_away.end()
    }
}

/// Whether the cluster's controller is dead, or is just dying: its links close a little before its process is gone.
fn has_died(directory: &ClusterDir) -> bool {
    let deadline = Instant::now() + DYING;
    loop {
        match directory.state() {
            Ok(ClusterState::Dead) => return true,
            Ok(ClusterState::Alive(_)) if Instant::now() < deadline => std::thread::sleep(DYING / 20),
            _ => return false,
        }
    }
}

impl ThrowAway {
    /// Closes the life line, waits for the controller's end, and removes what it has not.
    fn end(mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        // whatever did not end by itself has had its time
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.directory.path.exists() {
            let tag = self.directory.tag(&self.resolved.request.name);
            super::block_on(discard(&self.directory, &*self.site.scheduler, &tag))?;
        }
        Ok(())
    }
}
