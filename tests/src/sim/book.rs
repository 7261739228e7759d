//! What was submitted, what became of it, and whether that may be.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rpar_core::task::{Failure, TaskOptions, TaskStatus};

use super::client::Program;
use super::host::SLOWNESS;
use super::net::Peer;
use super::task::Work;
use super::world::World;

/// Client and task.
type Key = (u32, u64);

#[derive(Debug)]
pub(super) struct Record {
    work: Work,
    retries: u16,
    rerun: bool,
    timeout: Option<Duration>,
    /// How long it is said to take.
    time: Option<Duration>,
    /// It asks for what may never be.
    picky: bool,
    cancelled: bool,
    starts: u32,
    ended: Option<TaskStatus>,
}

impl Record {
    pub(super) fn new(work: Work, options: &TaskOptions) -> Self {
        Record {
            work,
            retries: options.retries,
            rerun: options.rerun,
            timeout: options.timeout_ms.map(Duration::from_millis),
            time: options.time_ms.map(Duration::from_millis),
            picky: options.time_ms.is_some()
                || options.targets.is_some()
                || options.after.is_some()
                || !options.labels.is_empty()
                || !options.resources.is_empty(),
            cancelled: false,
            starts: 0,
            ended: None,
        }
    }

    fn may_end_as(&self, status: TaskStatus, payload: &Bytes, calm: bool, faulty: bool) -> bool {
        let timed_out = |slowness| self.timeout.is_some_and(|limit| limit < self.work.duration() * slowness);
        match status {
            TaskStatus::Ok => {
                let fails = self.work.failures > self.retries || timed_out(1);
                *payload == self.work.result() && !(calm && fails) && !self.work.fatal
            }
            TaskStatus::Failed => {
                // what had begun when it was cancelled is not tried again
                let last = self.work.failures > self.retries || self.cancelled && self.work.failures > 0;
                *payload == self.work.failure(status) && last
            }
            TaskStatus::TimedOut => timed_out(if calm { 1 } else { SLOWNESS }),
            TaskStatus::Cancelled => self.cancelled,
            // no task is to blame for what the site ends
            TaskStatus::Lost => !calm && (faulty || !self.rerun),
            TaskStatus::Unplaced => !calm || self.picky,
            TaskStatus::Crashed => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Book {
    records: BTreeMap<Key, Record>,
    /// The controller has said that nothing is left, when nothing was.
    pub(super) agreed: bool,
}

impl Book {
    pub(super) fn submitted(&mut self, key: Key, record: Record) {
        self.records.insert(key, record);
    }

    pub(super) fn cancelled(&mut self, key: Key) {
        self.records.get_mut(&key).expect("a task that was submitted").cancelled = true;
    }

    /// A task has begun where so much time is left, if that is known.
    pub(super) fn started(&mut self, work: &Work, left: Option<Duration>) {
        let record = self.records.get_mut(&(work.client, work.task)).expect("a task that was submitted");
        record.starts += 1;
        let enough = record.time.zip(left).is_none_or(|(time, left)| time <= left);
        assert!(enough, "a task has begun where only {left:?} is left: {record:?}");
        let allowed = 1 + record.retries as u32;
        assert!(record.rerun || record.starts <= allowed, "a task that must not be rerun was: {record:?}");
    }

    pub(super) fn delivered(
        &mut self,
        key: Key,
        status: TaskStatus,
        payload: &Bytes,
        (calm, faulty): (bool, bool),
    ) {
        let record = self
            .records
            .get_mut(&key)
            .unwrap_or_else(|| panic!("a result of task {key:?}, which nobody submitted"));
        assert_eq!(record.ended, None, "task {key:?} was delivered twice, now as {status:?}");
        record.ended = Some(status);
        assert!(
            record.may_end_as(status, payload, calm, faulty),
            "task {key:?} must not end as {status:?}: {record:?}, calm {calm}"
        );
        let allowed = 1 + record.work.failures.min(record.retries) as u32;
        let timed = record.timeout.is_some() && record.retries > 0;
        assert!(!calm || timed || record.starts <= allowed, "task {key:?} ran too often: {record:?}");
        if status != TaskStatus::Ok {
            let why = Failure::decode(payload).expect("a failure says why");
            assert!(!why.message.is_empty(), "task {key:?} ended as {status:?} without a reason");
        }
    }
}

impl World {
    /// Whether all that can be expected has happened.
    pub(super) fn is_drained(&self) -> bool {
        let connected =
            self.clients.iter().all(|client| !client.alive || client.lost || client.machine.is_some());
        let clients = self.clients.iter().filter(|client| client.is_linked()).all(Program::is_idle);
        let delivered =
            self.book.records.iter().all(|(key, record)| record.ended.is_some() || !self.expects(key.0));
        let hosts =
            self.hosts.iter().filter(|host| host.alive && host.link.is_some()).all(|host| host.is_idle());
        // of a client that has left on a stalled link the controller does not know, and keeps its tasks
        let known = self.net.links.values().filter(|link| link.controller_open).all(|link| match link.peer {
            Peer::Client(client) => self.clients[client].is_linked(),
            _ => true,
        });
        connected && clients && delivered && hosts && known
    }

    fn expects(&self, client: u32) -> bool {
        self.clients.get(client as usize).is_some_and(Program::is_linked)
    }

    /// What is missing, for people.
    pub(super) fn unfinished(&self) -> String {
        let missing =
            self.book.records.iter().filter(|(key, record)| record.ended.is_none() && self.expects(key.0));
        let tasks: Vec<String> = missing.take(5).map(|(key, record)| format!("{key:?} {record:?}")).collect();
        let busy: Vec<usize> = (0..self.hosts.len())
            .filter(|index| {
                self.hosts[*index].alive && self.hosts[*index].link.is_some() && !self.hosts[*index].is_idle()
            })
            .collect();
        let machines: Vec<bool> =
            self.clients.iter().map(|client| client.is_linked() && !client.is_idle()).collect();
        format!("{tasks:#?}; busy hosts {busy:?}; busy clients {machines:?}")
    }

    /// Everything is over: nothing may be left.
    pub(super) fn check_the_end(&self) {
        assert!(self.exited.is_some(), "the controller never left");
        let live = self.site.live();
        assert!(live.is_empty(), "allocations that live on after the controller has left: {live:?}");
        for (index, pilot) in self.pilots.iter().enumerate() {
            assert!(!pilot.alive, "pilot {index} lives on");
        }
        for (index, host) in self.hosts.iter().enumerate() {
            assert!(!host.alive, "engine host {index} lives on");
        }
        for (index, client) in self.clients.iter().enumerate() {
            assert!(!client.is_linked(), "client {index} was not told of the end");
        }
    }
}
