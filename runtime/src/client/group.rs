//! Tasks whose results are collected together: one place a task, filled by the client's thread, read by the program.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rpar_core::id::{EngineId, TaskId};
use rpar_core::task::TaskStatus;
use rpar_core::wire::{Outcomes, unpack_duration};

use super::ids::Ids;
use super::keep::Pace;
use super::output::TaskOutput;
use super::printed::Printed;
use crate::clock::wall_micros;

/// How long a program that waits for one task gives way to others before it sleeps. A small task is there and back within
/// it, and to wake a thread that sleeps takes as long again.
const LINGER: Duration = Duration::from_micros(100);

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub status: TaskStatus,
    /// Where it ran; `None` for a task that ended without an engine.
    pub engine: Option<EngineId>,
    /// The node that is on.
    pub node: Option<Arc<str>>,
    /// How often it was sent to an engine: 255 stands for more.
    pub attempts: u8,
    /// When it was submitted, by this program's clock.
    pub submitted: SystemTime,
    /// When it ended, by the clock of the node where that was.
    pub ended: SystemTime,
    /// How long it ran there.
    pub duration: Duration,
    /// When that came to be known here, by this program's clock.
    pub received: SystemTime,
    /// Its result, in the form of the function's kind, or a [`Failure`](rpar_core::task::Failure) in CBOR.
    pub payload: Bytes,
}

impl Outcome {
    /// When its last attempt began, by the same clock as [`ended`](Self::ended).
    pub fn started(&self) -> SystemTime {
        self.ended.checked_sub(self.duration).unwrap_or(UNIX_EPOCH)
    }
}

/// A set of tasks whose results are collected together, in the order of their submission. Clones are the same group.
#[derive(Clone, Default)]
pub struct Group {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    submitted: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// By index, from `first` on; grows when results come, so that submitting takes no lock here.
    pub(super) slots: VecDeque<Slot>,
    /// All before it are discarded.
    pub(super) first: usize,
    pub(super) finished: usize,
    /// Indexes in order of completion, as (first, count), that nobody has taken yet.
    pub(super) order: VecDeque<(usize, usize)>,
    /// What tasks wrote that nobody has taken yet.
    pub(super) output: VecDeque<TaskOutput>,
    /// What they wrote, if that is kept.
    pub(super) printed: Option<Printed>,
    /// Indexes that somebody waits for.
    awaited: Vec<usize>,
    /// How many wait for any.
    pub(super) any: usize,
    /// How many wait for all.
    all: usize,
    /// When the tasks from an index on were submitted, in microseconds since 1970.
    pub(super) submitted: BTreeMap<usize, u64>,
    /// The nodes of the engines that ran something: engine ids are never used again.
    nodes: BTreeMap<EngineId, Arc<str>>,
    /// What they are called on their client's link.
    pub(super) ids: Ids,
    /// When the latest end came to be known.
    latest: Option<Instant>,
    /// Asynchronous programs that wait for an end, each with one entry.
    pub(super) wakers: Vec<Waker>,
    /// Results that are kept hold up those after them.
    pub(super) pace: Option<Arc<Pace>>,
}

/// What a group keeps of a task.
#[derive(Clone, Debug, Default)]
pub(super) enum Slot {
    #[default]
    Unfinished,
    Finished(End),
    Discarded,
}

/// How a task ended, as a group keeps it.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) status: TaskStatus,
    pub(super) attempts: u8,
    pub(super) engine: Option<EngineId>,
    /// Packed.
    pub(super) ran: u32,
    pub(super) ended_micros: u64,
    /// When it was put into the group; before, 0.
    pub(super) received_micros: u64,
    pub(super) payload: Bytes,
}

impl End {
    /// The end of a task that never came to an engine, or that the link took along.
    pub(super) fn without_engine(status: TaskStatus, why: Bytes) -> Self {
        End {
            status,
            attempts: 0,
            engine: None,
            ran: 0,
            ended_micros: wall_micros(),
            received_micros: 0,
            payload: why,
        }
    }
}

impl State {
    pub(super) fn outcome(&self, index: usize) -> Option<Outcome> {
        let slot = self.slots.get(index.checked_sub(self.first)?)?;
        let Slot::Finished(End { status, attempts, engine, ran, ended_micros, received_micros, payload }) =
            slot
        else {
            return None;
        };
        let submitted = self.submitted.range(..=index).next_back().map_or(0, |(_, at)| *at);
        Some(Outcome {
            status: *status,
            engine: *engine,
            node: engine.and_then(|engine| self.nodes.get(&engine).cloned()),
            attempts: *attempts,
            submitted: UNIX_EPOCH + Duration::from_micros(submitted),
            ended: UNIX_EPOCH + Duration::from_micros(*ended_micros),
            duration: unpack_duration(*ran),
            received: UNIX_EPOCH + Duration::from_micros(*received_micros),
            payload: payload.clone(),
        })
    }
}

impl Group {
    /// How many tasks have been submitted.
    pub fn len(&self) -> usize {
        self.shared.submitted.load(Ordering::Acquire)
    }

    /// Whether no task has been submitted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks have ended.
    pub fn finished(&self) -> usize {
        self.lock().finished
    }

    /// Whether a task has ended, and is not discarded.
    pub fn has_ended(&self, index: usize) -> bool {
        matches!(self.lock().slot(index), Some(Slot::Finished(_)))
    }

    /// When the latest of the ends that are known came to be known, by this program's steady clock.
    pub fn latest(&self) -> Option<Instant> {
        self.lock().latest
    }

    /// Waits for a task's end; `None` if that does not come before `deadline`. Takes nothing away.
    pub fn wait(&self, index: usize, deadline: Option<Instant>) -> Option<Outcome> {
        let mut state = self.linger(index, deadline);
        loop {
            if let Some(outcome) = state.outcome(index) {
                return Some(outcome);
            }
            state.awaited.push(index);
            let (guard, late) = self.sleep(state, deadline);
            state = guard;
            if let Some(at) = state.awaited.iter().position(|awaited| *awaited == index) {
                state.awaited.swap_remove(at);
            }
            if late {
                return state.outcome(index);
            }
        }
    }

    /// Waits until every submitted task has ended; false if that does not come before `deadline`.
    pub fn wait_all(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        loop {
            if state.finished >= self.len() {
                return true;
            }
            state.all += 1;
            let (guard, late) = self.sleep(state, deadline);
            state = guard;
            state.all -= 1;
            if late {
                return state.finished >= self.len();
            }
        }
    }

    /// Takes the next task in order of completion; each comes once. `None` when all submitted tasks have been taken, or
    /// when none ends before `deadline`.
    pub fn next_finished(&self, deadline: Option<Instant>) -> Option<(usize, Outcome)> {
        let mut state = self.lock();
        let mut late = false;
        loop {
            if let Some(index) = state.take_next() {
                // a slot in the order is finished
                return state.outcome(index).map(|outcome| (index, outcome));
            }
            if late || state.finished >= self.len() {
                return None;
            }
            state.any += 1;
            (state, late) = self.sleep(state, deadline);
            state.any -= 1;
        }
    }

    /// Whether `other` is a clone of this group.
    pub(super) fn is(&self, other: &Group) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A new task's index. Whoever submits holds the outbox's lock, so that indexes follow the order of submission.
    pub(super) fn add(&self) -> usize {
        self.shared.submitted.fetch_add(1, Ordering::AcqRel)
    }

    /// Adds tasks that somebody else has submitted.
    pub(super) fn grow(&self, count: usize) {
        self.shared.submitted.fetch_add(count, Ordering::AcqRel);
    }

    /// Takes note of what a batch of tasks is called.
    pub(super) fn name(&self, index: usize, first: TaskId, count: u32) {
        self.lock().ids.record(index, first, count);
    }

    /// What those tasks are called that were sent, and are not discarded.
    pub(super) fn ids(&self) -> Vec<(TaskId, u32)> {
        self.lock().ids.runs()
    }

    /// Ends a task that never came to an engine.
    pub(super) fn end(&self, index: usize, status: TaskStatus, why: Bytes) {
        self.fill(|slots| {
            slots.note(index, wall_micros(), &Outcomes::default());
            slots.put(index, End::without_engine(status, why));
        });
    }

    /// Fills in how tasks ended, and wakes who waits for them.
    pub(super) fn fill<T>(&self, fill: impl FnOnce(&mut Filling<'_>) -> T) -> T {
        let mut state = self.lock();
        let before = state.finished;
        let mut filling = Filling { state: &mut state, now_micros: wall_micros(), wake: false };
        let filled = fill(&mut filling);
        let mut wake = filling.wake;
        let mut wakers = Vec::new();
        if state.finished > before {
            state.latest = Some(Instant::now());
            wake |= state.any > 0;
            wakers = std::mem::take(&mut state.wakers);
        }
        wake |= state.all > 0 && state.finished >= self.len();
        drop(state);
        if wake {
            self.wake();
        }
        wakers.into_iter().for_each(Waker::wake);
        filled
    }

    /// Stays awake for a moment while a task has not ended: its result may be about to come.
    fn linger(&self, index: usize, deadline: Option<Instant>) -> MutexGuard<'_, State> {
        let latest = Instant::now() + LINGER;
        let until = deadline.map_or(latest, |deadline| deadline.min(latest));
        loop {
            let mut state = self.lock();
            if matches!(state.slot(index), Some(Slot::Finished(_))) || Instant::now() >= until {
                return state;
            }
            drop(state);
            std::thread::yield_now();
        }
    }

    /// Sleeps until something ends or `deadline` has come, and tells which.
    pub(super) fn sleep<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, State>, bool) {
        let changed = &self.shared.changed;
        let Some(deadline) = deadline else {
            return (changed.wait(state).unwrap_or_else(PoisonError::into_inner), false);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (state, true);
        }
        let (state, _) = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        (state, deadline <= Instant::now())
    }

    /// Wakes all who sleep.
    pub(super) fn wake(&self) {
        self.shared.changed.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // a slot is filled or not; there is no state between
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index.checked_sub(self.first)?)
    }

    pub(super) fn take_next(&mut self) -> Option<usize> {
        let (first, count) = self.order.front_mut()?;
        let index = *first;
        (*first, *count) = (*first + 1, *count - 1);
        if *count == 0 {
            self.order.pop_front();
        }
        Some(index)
    }
}

/// A group's slots, while results are put into them.
pub(super) struct Filling<'a> {
    state: &'a mut State,
    now_micros: u64,
    wake: bool,
}

impl Filling<'_> {
    /// Takes note of where tasks ended, and of when those from `index` on were submitted.
    pub(super) fn note(&mut self, index: usize, submitted_micros: u64, outcomes: &Outcomes) {
        self.state.submitted.entry(index).or_insert(submitted_micros);
        if let (Some(engine), Some(node)) = (outcomes.engine, &outcomes.node) {
            self.state.nodes.entry(engine).or_insert_with(|| Arc::clone(node));
        }
    }

    /// Puts in how a task ended. A second end of the same task is ignored; tells whether it was the first.
    pub(super) fn put(&mut self, index: usize, end: End) -> bool {
        let state = &mut *self.state;
        let Some(at) = index.checked_sub(state.first) else { return false };
        if state.slots.len() <= at {
            state.slots.resize(at + 1, Slot::Unfinished);
        }
        if !matches!(state.slots[at], Slot::Unfinished) {
            return false;
        }
        if let Some(pace) = &state.pace {
            pace.keep(end.payload.len());
        }
        state.slots[at] = Slot::Finished(End { received_micros: self.now_micros, ..end });
        state.finished += 1;
        match state.order.back_mut() {
            Some((first, count)) if *first + *count == index => *count += 1,
            _ => state.order.push_back((index, 1)),
        }
        self.wake |= !state.awaited.is_empty() && state.awaited.contains(&index);
        true
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({} of {} finished)", self.finished(), self.len())
    }
}
