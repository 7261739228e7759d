//! The IO task of an engine host: drives the machine with what comes over the link and from the engines.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::connection::ConnectionFile;
use rpar_core::engine_host::{Effect, EngineHost, EngineHostConfig, Input};
use rpar_core::transport::Identity;
use rpar_core::wire::{Message, Welcome};
use tokio::time::sleep_until;

use super::engines::Engines;
use super::interrupt::Interrupts;
use super::lane::Ready;
use super::{Connection, EngineError, EngineSetup};
use crate::clock::Clock;
use crate::files::read_connection;
use crate::link::{DialError, LinkError, LinkReader, LinkWriter, dial, fresh_identity};

type Dialling = Pin<Box<dyn Future<Output = Result<(LinkReader, LinkWriter, Welcome), DialError>> + Send>>;

/// What the shell holds beside its machine.
struct Host {
    setup: EngineSetup,
    connection: ConnectionFile,
    identity: Identity,
    machine: EngineHost,
    clock: Clock,
    engines: Engines,
    effects: Vec<Effect>,
    dialling: Option<Dialling>,
    link: Option<(LinkReader, LinkWriter)>,
    exit: Option<(bool, String)>,
}

/// What the IO task was woken by.
enum Event {
    Received(Result<Vec<Message>, LinkError>),
    Dialled(Box<Result<(LinkReader, LinkWriter, Welcome), DialError>>),
    Results,
    Interrupted,
    Tick,
}

/// Runs engines until the machine wants to leave.
pub(super) async fn run(setup: EngineSetup, connection: ConnectionFile) -> Result<(), EngineError> {
    let node = setup.registration.node.clone();
    let system = |reason: io::Error| EngineError::System { node: node.clone(), reason };
    let identity = fresh_identity().map_err(system)?;
    let engines = Engines::start(&setup).map_err(system)?;
    let mut interrupts = Interrupts::new().map_err(system)?;
    let config = EngineHostConfig {
        registration: setup.registration.clone(),
        give_up_after: setup.give_up_after,
        lost_after: setup.lost_after,
    };
    let mut host = Host {
        setup,
        connection,
        identity,
        machine: EngineHost::new(config),
        clock: Clock::start(),
        engines,
        effects: Vec::new(),
        dialling: None,
        link: None,
        exit: None,
    };
    host.step(Input::Tick);
    loop {
        host.perform();
        if let Some((ok, reason)) = host.exit.take() {
            host.end().await;
            tracing::info!("{reason}");
            return if ok { Ok(()) } else { Err(EngineError::Ended { node, reason }) };
        }
        let event = host.next(&mut interrupts).await;
        if let Err(slot) = host.take(event) {
            host.end().await;
            return Err(EngineError::Engine { node, slot });
        }
    }
}

impl Host {
    async fn next(&mut self, interrupts: &mut Interrupts) -> Event {
        let ready = self.engines.ready();
        let deadline = self.machine.deadline().map(|at| self.clock.instant(at).into());
        let (reader, writer) = match &mut self.link {
            Some((reader, writer)) => (Some(reader), Some(writer)),
            None => (None, None),
        };
        tokio::select! {
            biased;
            _ = interrupts.next() => Event::Interrupted,
            messages = optional(reader.map(LinkReader::receive)) => Event::Received(messages),
            dialled = optional(self.dialling.as_mut()) => Event::Dialled(Box::new(dialled)),
            // while the link is full results wait in their outboxes, and in the end the engines wait too
            () = results(&ready, writer.as_deref()) => Event::Results,
            () = optional(deadline.map(sleep_until)) => Event::Tick,
        }
    }

    /// Steps the machine with what has happened.
    fn take(&mut self, event: Event) -> Result<(), u32> {
        match event {
            Event::Received(Ok(messages)) => {
                messages.into_iter().for_each(|message| self.step(Input::Received(message)))
            }
            Event::Received(Err(error)) => {
                self.link = None;
                self.step(Input::LinkDown { reason: error.to_string() });
            }
            Event::Dialled(dialled) => {
                self.dialling = None;
                self.dialled(*dialled);
            }
            Event::Results => {
                let Host { engines, machine, clock, effects, .. } = self;
                return engines.drain(|input| machine.step(clock.now(), input, effects));
            }
            Event::Interrupted => self.step(Input::Interrupted),
            Event::Tick => self.step(Input::Tick),
        }
        Ok(())
    }

    fn dialled(&mut self, dialled: Result<(LinkReader, LinkWriter, Welcome), DialError>) {
        match dialled {
            Ok((reader, writer, welcome)) => {
                self.link = Some((reader, writer));
                self.step(Input::LinkUp { heartbeat: Duration::from_millis(welcome.heartbeat_ms.into()) });
            }
            Err(error @ DialError::Refused { .. }) => self.step(Input::Refused { reason: error.to_string() }),
            Err(error @ DialError::Unreachable { .. }) => {
                self.step(Input::LinkDown { reason: error.to_string() })
            }
        }
    }

    fn step(&mut self, input: Input) {
        self.machine.step(self.clock.now(), input, &mut self.effects);
    }

    /// Does what the machine wants. All that goes to the link leaves in one write.
    fn perform(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(message) => {
                    if let Some((_, writer)) = &self.link {
                        writer.push(&message);
                    }
                }
                Effect::Dial => self.dial(),
                Effect::Hangup => self.link = None,
                Effect::Log { text } => tracing::info!("{text}"),
                Effect::Exit { ok, reason } => self.exit = Some((ok, reason)),
                other => self.engines.perform(other),
            }
        }
        self.effects = effects;
        if let Some((_, writer)) = &self.link {
            writer.flush();
        }
    }

    fn dial(&mut self) {
        if let Connection::File(path) = &self.setup.connection {
            match read_connection(path) {
                Ok(connection) => self.connection = connection,
                Err(error) => tracing::info!("the connection file cannot be read again: {error}"),
            }
        }
        let (connection, transport) = (self.connection.clone(), Arc::clone(&self.setup.transport));
        let identity = self.identity.clone();
        self.dialling = Some(Box::pin(async move { dial(&connection, transport, identity).await }));
    }

    /// Ends the engines while the last words go out.
    async fn end(mut self) {
        let link = self.link.take();
        let close = async {
            if let Some((_, writer)) = link {
                writer.close().await;
            }
        };
        tokio::join!(close, self.engines.end());
    }
}

/// Waits until there are results that the link can take.
async fn results(ready: &Ready, writer: Option<&LinkWriter>) {
    if let Some(writer) = writer {
        writer.ready().await;
    }
    ready.wait().await;
}

/// What is not there never ends.
async fn optional<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
