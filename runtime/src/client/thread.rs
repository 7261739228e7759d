//! The client's thread: owns the link and the machine.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rpar_core::client::{Client as Machine, ClientConfig, Effect, Input};
use rpar_core::connection::ConnectionFile;
use rpar_core::transport::{Identity, Transport};
use rpar_core::wire::{Agreement, Because, ClusterStatus, Message, RESULT_WINDOW_BYTES, TaskPage, Welcome};
use tokio::time::{Instant, sleep_until, timeout};

use super::batch::Prepared;
use super::outbox::{End, Outbox, Request, Taken};
use super::output::{Room, TaskOutput};
use super::ranges::Ranges;
use super::{ConnectError, submission};
use crate::clock::Clock;
use crate::link::{self, LinkError, LinkReader, LinkWriter};
use crate::process;

/// A controller that is silent for so many heartbeats is lost, but not before half a minute: login nodes stall.
const LOST_HEARTBEATS: u32 = 6;
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How long the program may be held up when it leaves, by a controller that does not read.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The most questions that wait for an answer: each blocks a thread of the program, or has timed out there.
const QUESTIONS: usize = 1024;

/// What the thread does: links, tells how that went, and serves the outbox until the link's end.
pub(super) fn run(
    (file, transport, identity, patience): (ConnectionFile, Arc<dyn Transport>, Identity, Duration),
    outbox: Arc<Outbox>,
    linked: mpsc::SyncSender<Result<(), ConnectError>>,
) {
    let tell = linked.clone();
    let ran = process::run(async move {
        match link::dial_within(&file, transport, identity, patience).await {
            Ok((reader, writer, welcome)) => {
                let desk = Desk::new(outbox, writer, &welcome);
                let _ = tell.send(Ok(()));
                desk.serve(reader).await;
            }
            Err(error) => {
                let _ = tell.send(Err(error.into()));
            }
        }
    });
    if let Err(error) = ran {
        let _ = linked.send(Err(error.into()));
    }
}

/// What the thread was woken by.
enum Event {
    Received(Result<Vec<Message>, LinkError>),
    /// A program that did not take its results does so again.
    Eased,
    /// The program wants something.
    Submitted,
    Left,
    Alarm,
}

/// What came of `future`, and whether that was to be waited for.
async fn awaited<T>(future: impl Future<Output = T>) -> (T, bool) {
    let (mut future, mut waited) = (pin!(future), false);
    let ended = poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    });
    (ended.await, waited)
}

/// Who waits for an answer.
enum Question {
    Status(mpsc::SyncSender<ClusterStatus>),
    Tasks(mpsc::SyncSender<TaskPage>),
    Why(mpsc::SyncSender<Because>),
    Change(mpsc::SyncSender<Result<Agreement, String>>),
}

/// The machine and all that its inputs and effects are about.
struct Desk {
    outbox: Arc<Outbox>,
    writer: Option<LinkWriter>,
    clock: Clock,
    machine: Machine,
    effects: Vec<Effect>,
    ranges: Ranges,
    questions: BTreeMap<u32, Question>,
    submission: submission::Desk,
    next_question: u32,
    /// Delivered, and not yet told to the machine.
    taken: u64,
    end: Option<End>,
}

impl Desk {
    fn new(outbox: Arc<Outbox>, writer: LinkWriter, welcome: &Welcome) -> Self {
        let heartbeat = Duration::from_millis(welcome.heartbeat_ms as u64);
        let machine = Machine::new(ClientConfig {
            heartbeat,
            lost_after: (heartbeat * LOST_HEARTBEATS).max(LOST_AFTER),
            submit_window_bytes: welcome.window_bytes,
            result_window_bytes: RESULT_WINDOW_BYTES,
        });
        Desk {
            outbox,
            writer: Some(writer),
            clock: Clock::start(),
            machine,
            effects: Vec::new(),
            ranges: Ranges::default(),
            questions: BTreeMap::new(),
            submission: submission::Desk::default(),
            next_question: 0,
            taken: 0,
            end: None,
        }
    }

    async fn serve(mut self, mut reader: LinkReader) {
        let mut alarm = pin!(sleep_until(Instant::now()));
        let mut leaving = false;
        self.step(Input::Tick);
        while self.end.is_none() && !leaving {
            let Some(writer) = &self.writer else { break };
            let deadline = self.machine.deadline().map(|at| Instant::from(self.clock.instant(at)));
            if let Some(at) = deadline.filter(|at| *at != alarm.deadline()) {
                alarm.as_mut().reset(at);
            }
            let full = writer.queued() >= LinkWriter::READY_BYTES;
            let paused = self.outbox.pace.is_full();
            let event = async {
                tokio::select! {
                    received = reader.receive(), if !paused => Event::Received(received),
                    () = self.outbox.pace.eased(), if paused => Event::Eased,
                    () = self.outbox.woken(), if !full => Event::Submitted,
                    () = writer.ready(), if full => Event::Submitted,
                    // a program that ends does not wait for a controller that does not read
                    () = self.outbox.left(), if full => Event::Left,
                    () = &mut alarm, if deadline.is_some() => Event::Alarm,
                }
            };
            let (event, waited) = awaited(event).await;
            match event {
                Event::Received(received) => self.received(received),
                Event::Eased => {}
                Event::Submitted => leaving = self.send(),
                Event::Left => leaving = true,
                // a controller that is not listened to is not silent
                Event::Alarm if paused => self.step(Input::Received(Message::Heartbeat)),
                Event::Alarm => self.step(Input::Tick),
            }
            if let Some(writer) = &self.writer {
                writer.flush();
            }
            if !waited {
                // the writing task has its turn, however much there is to do here
                tokio::task::yield_now().await;
            }
        }
        self.close(reader, leaving).await;
    }

    fn received(&mut self, received: Result<Vec<Message>, LinkError>) {
        match received {
            Ok(messages) => messages.into_iter().for_each(|message| self.step(Input::Received(message))),
            Err(error) => self.step(Input::LinkDown { reason: error.to_string() }),
        }
    }

    /// Takes what the program wants; true when it wants to leave.
    fn send(&mut self) -> bool {
        let Taken { batches, requests, output_bytes } = self.outbox.take();
        if output_bytes > 0 {
            self.step(Input::OutputTaken { bytes: output_bytes });
        }
        for prepared in batches {
            self.ranges.insert(&prepared);
            let Prepared { tasks, batch, long } = prepared;
            self.step(Input::Submit {
                base: tasks.base,
                function: tasks.function.function().clone(),
                hash: tasks.function.hash(),
                options: (*tasks.options).clone(),
                batch,
                bulk: long,
            });
        }
        let mut leaving = false;
        for request in requests {
            match request {
                Request::Cancel { group, indexes, running } => {
                    self.step(Input::Cancel { runs: self.ranges.of(&group, &indexes), running });
                }
                Request::Open { name, answer } => {
                    let input = self.submission.open(name, answer);
                    self.step(input);
                }
                Request::Close { answer } => {
                    let input = self.submission.close(answer);
                    self.step(input);
                }
                Request::Read { submission, results, answer } => {
                    let input = self.submission.read(submission, results, answer);
                    self.step(input);
                }
                Request::CancelTasks { runs, running } => self.step(Input::Cancel { runs, running }),
                Request::Forget { upto } => self.step(Input::Forget { upto }),
                Request::List { submission, from, answer } => {
                    let question = self.question(Question::Tasks(answer));
                    self.step(Input::List { question, submission, from });
                }
                Request::Why { subjects, answer } => {
                    let question = self.question(Question::Why(answer));
                    self.step(Input::Why { question, subjects });
                }
                Request::Ask { after, answer } => {
                    let question = self.question(Question::Status(answer));
                    self.step(Input::Ask { question, after });
                }
                Request::Change { change, answer } => {
                    let question = self.question(Question::Change(answer));
                    self.step(Input::Change { question, change });
                }
                Request::Stop => self.step(Input::Stop),
                Request::Leave => leaving = true,
            }
        }
        leaving
    }

    /// Takes note of who waits for an answer; the question's number.
    fn question(&mut self, answer: Question) -> u32 {
        if self.questions.len() == QUESTIONS {
            self.questions.pop_first();
        }
        let question = self.next_question;
        self.next_question = self.next_question.wrapping_add(1);
        self.questions.insert(question, answer);
        question
    }

    fn step(&mut self, input: Input) {
        self.machine.step(self.clock.now(), input, &mut self.effects);
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            effects.drain(..).for_each(|effect| self.perform(effect));
            // its capacity serves again
            self.effects = effects;
            if self.taken == 0 {
                return;
            }
            let bytes = std::mem::take(&mut self.taken);
            self.machine.step(self.clock.now(), Input::Taken { bytes }, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(message) => {
                if let Some(writer) = &self.writer {
                    writer.push(&message);
                }
            }
            Effect::Deliver { outcomes, bulk } => {
                self.taken += outcomes.batch.cost();
                let released = self.ranges.deliver(&outcomes, bulk);
                if released > 0 {
                    self.outbox.release(released);
                }
            }
            Effect::Output(output) => {
                let room = Room::new(&self.outbox, &output);
                if let Some((group, index)) = self.ranges.find(output.task) {
                    group.write(TaskOutput::new(index, room, output));
                }
            }
            Effect::Opened(opened) => self.submission.opened(opened, &mut self.ranges),
            Effect::Answer { question, status } => {
                if let Some(Question::Status(answer)) = self.questions.remove(&question) {
                    // who asked may not wait any more
                    let _ = answer.try_send(*status);
                }
            }
            Effect::Because { question, because } => {
                if let Some(Question::Why(answer)) = self.questions.remove(&question) {
                    let _ = answer.try_send(*because);
                }
            }
            Effect::Listed { question, page } => {
                if let Some(Question::Tasks(answer)) = self.questions.remove(&question) {
                    let _ = answer.try_send(page);
                }
            }
            Effect::Changed { question, answer } => {
                if let Some(Question::Change(asker)) = self.questions.remove(&question) {
                    let _ = asker.try_send(answer);
                }
            }
            Effect::Notice { text } => self.outbox.notice(text),
            Effect::Sent { bytes } => self.outbox.release(bytes),
            Effect::Lost { reason, orderly } => self.end = Some(End { reason, orderly }),
        }
    }

    async fn close(mut self, reader: LinkReader, leaving: bool) {
        let Some(writer) = self.writer.take() else { return };
        if leaving {
            writer.send(&Message::Goodbye { reason: "the client has ended".to_owned() });
        }
        // what waits for the end need not wait for the link's
        drop(self);
        let _ = timeout(LEAVE_TIMEOUT, async { tokio::join!(writer.close(), reader.drain()) }).await;
    }
}

impl Drop for Desk {
    /// However the thread ends, nobody waits for it any more.
    fn drop(&mut self) {
        let end = self.end.take();
        let end =
            end.unwrap_or_else(|| End { reason: "the client has closed it".to_owned(), orderly: false });
        let why = end.failure();
        let Taken { batches, .. } = self.outbox.end(end);
        batches.iter().for_each(|prepared| self.ranges.insert(prepared));
        self.ranges.lose(&why);
        self.questions.clear();
        self.submission = submission::Desk::default();
    }
}
