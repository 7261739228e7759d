//! The one task that owns the machine.

use std::pin::pin;

use rpar_core::controller::{Controller, ControllerConfig, Effect, Input};
use rpar_core::id::LinkId;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::disk::Order;
use super::inbox::{Event, Inbox};
use super::links::Links;
use super::site::Site;
use crate::clock::Clock;

/// How many events are taken in one turn before their answers go out: enough to fill writes, few enough that the first
/// answer does not wait for long.
const TURN: usize = 64;

pub(super) struct Shell {
    machine: Controller,
    clock: Clock,
    links: Links,
    site: Site,
    disk: mpsc::UnboundedSender<Order>,
    inbox: Inbox,
    effects: Vec<Effect>,
    exit: Option<String>,
}

impl Shell {
    pub(super) fn new(
        config: ControllerConfig,
        clock: Clock,
        inbox: Inbox,
        site: Site,
        disk: mpsc::UnboundedSender<Order>,
    ) -> Self {
        Shell {
            machine: Controller::new(config),
            clock,
            links: Links::default(),
            site,
            disk,
            inbox,
            effects: Vec::new(),
            exit: None,
        }
    }

    /// Runs until the machine wants to leave; gives its reason.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) -> String {
        let mut turn = Vec::with_capacity(TURN);
        let mut alarm = pin!(sleep_until(Instant::now()));
        self.step(Input::Tick);
        loop {
            self.flush();
            if let Some(reason) = self.exit.take() {
                // whoever waits to leave an event waits no longer
                drop(events);
                self.links.close_all().await;
                return reason;
            }
            let deadline = self.machine.deadline().map(|at| Instant::from(self.clock.instant(at)));
            if let Some(at) = deadline.filter(|at| *at != alarm.deadline()) {
                alarm.as_mut().reset(at);
            }
            tokio::select! {
                _ = events.recv_many(&mut turn, TURN) => {}
                () = &mut alarm, if deadline.is_some() => self.step(Input::Tick),
            }
            for event in turn.drain(..) {
                self.take(event);
            }
            if !events.is_empty() {
                self.flush();
                // the tasks that write have their turn even when there is always something to do here
                tokio::task::yield_now().await;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Admitted(admitted) => {
                let (role, address) = (admitted.role, admitted.address.clone());
                tracing::info!("{address} linked as {role:?}");
                let link = self.links.add(admitted.address, admitted.reader, admitted.writer, &self.inbox);
                self.step(Input::LinkUp { link, role, address });
            }
            Event::Received { link, messages, room } => {
                for message in messages {
                    // a link that was closed meanwhile has nothing to say any more
                    if self.links.has(link) {
                        self.step(Input::Received { link, message });
                    }
                }
                drop(room);
            }
            Event::Down { link, error } => self.lose(link, error.to_string()),
            Event::Input(input) => self.step(*input),
        }
    }

    fn lose(&mut self, link: LinkId, reason: String) {
        let address = self.links.address(link).to_owned();
        if self.links.close(link) {
            tracing::info!("the link of {address} is gone: {reason}");
            self.step(Input::LinkDown { link, reason });
        }
    }

    fn flush(&mut self) {
        for link in self.links.flush() {
            self.lose(link, "it does not read what it is sent".to_owned());
        }
    }

    fn step(&mut self, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.step(self.clock.now(), input, &mut effects);
        effects.drain(..).for_each(|effect| self.perform(effect));
        // its capacity serves again
        self.effects = effects;
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { link, message } => self.links.send(link, &message),
            Effect::Close { link, reason } => {
                tracing::info!("closing the link of {}: {reason}", self.links.address(link));
                self.links.close(link);
            }
            Effect::Submit { request, spec } => self.site.submit(request, spec),
            Effect::Find { request, tag } => self.site.find(request, tag),
            Effect::Poll { allocations } => self.site.poll(allocations),
            Effect::Cancel { allocations } => self.site.cancel(allocations),
            Effect::ReadOutput { allocation } => self.site.read_output(allocation),
            // it is there as long as this is, but for a panic of its own
            Effect::Write { submission, task, stream, begins, data } => {
                _ = self.disk.send(Order::Write { submission, task, stream, begins, data });
            }
            Effect::Discard { submission, tasks } => {
                _ = self.disk.send(Order::Discard { submission, tasks });
            }
            Effect::Log { text } => tracing::info!("{text}"),
            Effect::Exit { reason } => self.exit = Some(reason),
        }
    }
}
