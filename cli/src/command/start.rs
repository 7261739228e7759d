//! `rpar start`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rpar_backends::shell;
use rpar_core::error::{Action, BackendError};
use rpar_core::profile::Place;
use rpar_core::wire::{AllocationStatus, ClusterStatus, Growth, Portion};
use rpar_runtime::client::Client;
use serde_json::json;

use super::context::{Context, launch, link, program};
use super::{documents, here};
use crate::cluster::{
    self, ClusterState, WaitError, discard, discard_stopped, elsewhere, granted, plural, wait_for_engines,
};
use crate::command::arguments::StartArguments;
use crate::command::exit::Exit;
use crate::command::interpreter::Look;
use crate::command::interrupt::Interrupts;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;
use crate::profile::Resolved;
use crate::{Site, cluster::growth};

/// A controller answers in a millisecond, and needs no longer to give back what the site has never granted.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn run(context: &Context, arguments: &StartArguments) -> Outcome {
    let resolved = match arguments.here {
        true => here::resolve(context, arguments)?,
        false => context.resolve(arguments.engines)?,
    };
    let site = context.site(&resolved)?;
    let directory = ClusterDir::new(&resolved, &context.cluster_id, context.profiles.surroundings())?;
    if arguments.dry_run {
        return dry_run(context, &resolved, &site, &directory);
    }
    if arguments.here && matches!(directory.state()?, ClusterState::Alive(_) | ClusterState::Elsewhere(_)) {
        return here::join(context, arguments, &resolved, &directory);
    }
    // what can be known to be refused is refused before anything is started
    let growth = growth(&resolved, &site.scheduler.info(), &directory, &program()?, Resolved::FILE)?;
    let refused = |error| BackendError { action: Action::Submit, ..error };
    for portion in &growth.portions {
        site.scheduler.preview(&portion.request).map_err(refused)?;
    }
    let python = Look::begin(&resolved);
    let brought = match resolved.controller.r#where {
        Place::Allocation => bring_up_granted(context, &resolved, &site, &directory, arguments.timeout),
        Place::Local | Place::Ssh => bring_up(context, &resolved, &site, &directory),
    };
    let (client, phase) = brought.inspect_err(|_| directory.remove_empty_parent())?;
    if arguments.no_wait {
        let cluster = directory.cluster();
        let engines = plural(resolved.engines.total.into(), "engine");
        if context.output.json {
            context.output.document(documents::cluster(&client.status(None, ANSWER_WITHIN)?))?;
        } else {
            context.output.note(&format!("cluster {cluster} is started; {engines} will come"));
        }
        return Ok(Exit::Ok);
    }
    let exit = wait(context, arguments.timeout, (&directory, &site), &client, &phase)?;
    if let Some(problem) = python.and_then(|look| look.problem()) {
        context.output.note(&problem);
    }
    Ok(exit)
}

/// Shows what the site would get.
fn dry_run(context: &Context, resolved: &Resolved, site: &Site, directory: &ClusterDir) -> Outcome {
    let program = program()?;
    if resolved.controller.r#where == Place::Allocation && !context.output.json {
        let request = granted::controller_request(resolved, directory, &program)?;
        let own = Growth { portions: vec![Portion { request, times: 1, engines: 0 }] };
        preview(context, site, &own)?;
        context.output.answer("\n")?;
    }
    let info = site.scheduler.info();
    preview(context, site, &growth(resolved, &info, directory, &program, Resolved::FILE)?)
}

/// Shows the script and the command line for what is asked for: of what is asked for several times, the first.
pub(super) fn preview(context: &Context, site: &Site, growth: &Growth) -> Outcome {
    let Some(first) = growth.portions.first() else { return Ok(Exit::Ok) };
    let (script, times) = (site.scheduler.preview(&first.request)?, growth.allocations());
    if context.output.json {
        let document = json!({ "argv": script.argv, "script": script.text, "times": times });
        context.output.document(document)?;
    } else {
        let times = if times > 1 { format!(" # {times} times, one for each node") } else { String::new() };
        let argv = shell::join(&script.argv);
        context.output.answer(&format!("$ {argv}{times}\n\n{}", script.text))?;
    }
    Ok(Exit::Ok)
}

/// Removes what a dead cluster of this name has left. One that lives is an error.
fn make_room(context: &Context, resolved: &Resolved, site: &Site, directory: &ClusterDir) -> Outcome<()> {
    match directory.state()? {
        ClusterState::Absent => {}
        ClusterState::Coming(id) => {
            let (report, over) = context.coming(directory, &id)?;
            if !over {
                return Err(Report { exit: Exit::Running, ..report });
            }
            clean(context, directory, site, resolved)?;
        }
        ClusterState::Dead => {
            context.output.note(&format!("cleaning up what a dead cluster {} has left", directory.cluster()));
            clean(context, directory, site, resolved)?;
        }
        ClusterState::Alive(record) | ClusterState::Elsewhere(record) => {
            let cluster = directory.cluster();
            let what = format!(
                "cluster {cluster} runs already: its controller is pid {} on {}",
                record.pid, record.host
            );
            let [stop, status, add] = ["stop", "status", "engines add"].map(|verb| directory.command(verb));
            let hint = format!(
                "{status} shows it, {add} asks for more engines, {stop} ends it; --cluster-id NAME starts another beside it"
            );
            return Err(Report::new(Exit::Running, what).hint(hint));
        }
    }
    Ok(())
}

/// Starts the controller, in place of a dead one's remains, and links to it.
fn bring_up(
    context: &Context,
    resolved: &Resolved,
    site: &Site,
    directory: &ClusterDir,
) -> Outcome<(Client, Arc<Phase>)> {
    let _lock = directory.lock()?;
    make_room(context, resolved, site, directory)?;
    let phase = leave_on_signal(context, directory, Phase::BEGUN)?;
    let mut child = launch(resolved)?.run(directory)?;
    let linked = link(directory, site.transport.clone());
    if linked.is_err() {
        phase.set(Phase::GIVEN_UP);
        // nobody else knows of it yet
        let _ = child.kill();
        let _ = child.wait();
        end_elsewhere(resolved, directory);
        clean(context, directory, site, resolved)?;
    }
    linked.inspect(|_| phase.set(Phase::COMING)).map(|client| (client, phase)).map_err(|report| match report
        .exit
    {
        Exit::Link => report.hint(
            "it is stopped again; `rpar profile check` tells whether this host reaches what is advertised",
        ),
        _ => report,
    })
}

/// Asks for the controller's own allocation, waits until it runs there, and links to it.
fn bring_up_granted(
    context: &Context,
    resolved: &Resolved,
    site: &Site,
    directory: &ClusterDir,
    patience: Option<Duration>,
) -> Outcome<(Client, Arc<Phase>)> {
    let scheduler = &*site.scheduler;
    if !scheduler.info().remote_pilot {
        let kind = scheduler.info().name;
        let what =
            format!("`controller.where` is `allocation`, and scheduler `{kind}` has no allocations for it");
        return Err(
            Report::new(Exit::Profile, what).hint("`local` and `ssh` are the other places for a controller")
        );
    }
    let request = granted::controller_request(resolved, directory, &program()?)?;
    let lock = directory.lock()?;
    make_room(context, resolved, site, directory)?;
    let profile = resolved.to_toml()?;
    let id = super::block_on(granted::submit(&profile, directory, scheduler, &request))?;
    drop(lock);
    let phase = leave_on_signal(context, directory, Phase::COMING)?;
    let waiting = Waiting::new(&context.output, &format!("the controller's allocation {id} was submitted"));
    let times = (resolved.controller.poll_every, patience);
    let waited =
        super::block_on(granted::wait(directory, scheduler, &id, times, &mut |news| waiting.say(news)));
    drop(waiting);
    let linked = waited.and_then(|()| link(directory, site.transport.clone()));
    if linked.is_err() && directory.path.is_dir() {
        phase.set(Phase::GIVEN_UP);
        let _waiting = Waiting::new(&context.output, "taking back what was started");
        let _lock = directory.lock()?;
        clean(context, directory, site, resolved)?;
    }
    linked.map(|client| (client, phase))
}

/// How far a start is, for what is said when it is interrupted.
struct Phase(AtomicU8);

impl Phase {
    /// The controller is being started: it may not live on its own yet.
    const BEGUN: u8 = 0;
    /// The controller, or its allocation, goes on by itself.
    const COMING: u8 = 1;
    /// What was started is being taken back.
    const GIVEN_UP: u8 = 2;

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::SeqCst);
    }
}

/// Has Ctrl-C leave the cluster as it is, and say so, as far as the start has come.
fn leave_on_signal(context: &Context, directory: &ClusterDir, phase: u8) -> Outcome<Arc<Phase>> {
    let output = context.output;
    let (status, stop) = (directory.command("status"), directory.command("stop"));
    let phase = Arc::new(Phase(AtomicU8::new(phase)));
    let reached = Arc::clone(&phase);
    Interrupts::watch(move |number| {
        output.note_signal(&match reached.0.load(Ordering::SeqCst) {
            Phase::BEGUN => {
                format!("interrupted while the controller starts: {status} shows whether it does, {stop} clears it away")
            }
            Phase::COMING => {
                format!("the cluster goes on starting: {status} shows how far it is, {stop} ends it")
            }
            _ => format!("not everything is taken back yet: {stop} goes on with it"),
        });
        std::process::exit(Exit::Signal(number).code().into());
    })?;
    Ok(phase)
}

/// Ends a controller that was started on another host. If that fails it ends by itself: its directory is removed.
fn end_elsewhere(resolved: &Resolved, directory: &ClusterDir) {
    if let (Some(host), Ok(ClusterState::Elsewhere(record))) = (&resolved.controller.host, directory.state())
    {
        elsewhere::end(host, &record);
    }
}

/// Removes what a dead cluster has left, through the scheduler that it was started with.
fn clean(context: &Context, directory: &ClusterDir, site: &Site, resolved: &Resolved) -> Outcome<()> {
    let (resolved, site) =
        context.started_with(directory).unwrap_or_else(|_| (resolved.clone(), site.clone()));
    super::block_on(discard(directory, &*site.scheduler, &directory.tags(&resolved)))?;
    Ok(())
}

/// Waits for the engines. Ctrl-C leaves the cluster as it is.
fn wait(
    context: &Context,
    patience: Option<Duration>,
    (directory, site): (&ClusterDir, &Site),
    client: &Client,
    phase: &Phase,
) -> Outcome {
    let output = context.output;
    let waiting = Waiting::new(&output, "waiting for the controller");
    let mut warned = false;
    let waited = wait_for_engines(client, patience, &mut |status| {
        let never = status.allocations.iter().find(|one| one.state.never && one.coming);
        if let Some(never) = never.filter(|_| !std::mem::replace(&mut warned, true)) {
            let (told, stop) = (cluster::describe_allocation(never), directory.command("stop"));
            waiting.warn(&format!("{told}\n  hint: Ctrl-C, then {stop} takes it back; ask for less"));
        }
        waiting.say(&cluster::waiting(status));
    });
    drop(waiting);
    match waited {
        Ok(status) => complete(context, directory, &status),
        Err(error) => {
            phase.set(Phase::GIVEN_UP);
            if matches!(error, WaitError::TooLate { .. }) && is_unanswered(client) {
                leave_to_controller(context, directory, client);
                return Err(error.into());
            }
            let _waiting = Waiting::new(&output, "taking back what was started");
            take_back(context, directory, client, site, &error);
            Err(error.into())
        }
    }
}

fn complete(context: &Context, directory: &ClusterDir, status: &ClusterStatus) -> Outcome {
    if context.output.json {
        context.output.document(documents::cluster(status))?;
        return Ok(Exit::Ok);
    }
    let mut nodes: Vec<&str> = status.engines.iter().map(|engine| engine.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let engines = plural(status.engines.len() as u64, "engine");
    let nodes = plural(nodes.len() as u64, "node");
    context.output.note(&format!("cluster {} is ready: {engines} on {nodes}", directory.cluster()));
    Ok(Exit::Ok)
}

/// Whether the site has not even answered to a request for nodes.
fn is_unanswered(client: &Client) -> bool {
    let asked = |one: &AllocationStatus| one.id.is_none() && one.problem.is_none();
    client.status(None, ANSWER_WITHIN).is_ok_and(|status| status.allocations.iter().any(asked))
}

/// Asks the controller to end the cluster, and does not wait for a site that may hang for as long as its commands may.
fn leave_to_controller(context: &Context, directory: &ClusterDir, client: &Client) {
    if client.stop_cluster(ANSWER_WITHIN).is_err() {
        let (cluster, stop) = (directory.cluster(), directory.command("stop"));
        context.output.warn(&format!(
            "the site has not answered yet: the controller of cluster {cluster} gives back what it was asked for as soon as \
             it does; {stop} waits for that, and cleans up"
        ));
    }
}

/// Ends a cluster that could not be completed. What goes wrong here is told, but is not the error.
fn take_back(context: &Context, directory: &ClusterDir, client: &Client, site: &Site, error: &WaitError) {
    let result = (|| -> Outcome<()> {
        let _lock = directory.lock()?;
        let (resolved, _) = context.started_with(directory)?;
        let tags = directory.tags(&resolved);
        if matches!(error, WaitError::Controller { .. }) {
            return super::block_on(discard(directory, &*site.scheduler, &tags)).map(drop);
        }
        cluster::stop(directory, client)?;
        // a site that does not answer now is most likely what the error is about
        super::block_on(discard_stopped(directory, &*site.scheduler, &tags)).map(drop)
    })();
    directory.remove_empty_parent();
    if let Err(report) = result {
        let stop = directory.command("stop");
        context.output.warn(&format!("not everything could be taken back: {stop} tries again"));
        context.output.report(&report);
    }
}
