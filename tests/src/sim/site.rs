//! The site: a scheduler that queues, refuses, loses answers, never starts, ends at walltime, and forgets.

use std::collections::BTreeMap;
use std::time::Duration;

use rpar_core::controller::{Effect, Input};
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationPhase, AllocationRequest, AllocationState, Elements};
use rpar_core::time::Timestamp;

use super::pilot::Pilot;
use super::world::{Event, World};

/// The site never has more bad answers than this in a row to one kind of question: it is unreliable, not dead.
const STREAK_LIMIT: u32 = 2;

/// How long the site remembers an allocation that has ended.
const MEMORY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Site {
    pub(super) allocations: Vec<Allocation>,
    /// Bad answers in a row, to each kind of question.
    streaks: BTreeMap<Question, u32>,
    /// Whether the site has refused for good, lost an answer, or ended something by itself.
    pub(super) disturbed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Submit,
    Find,
    Poll,
    /// One allocation of a poll.
    State,
    Cancel,
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) id: AllocationId,
    pub(super) spec: AllocationRequest,
    pub(super) phase: AllocationPhase,
    /// The pilot that it has, or those that its elements have had.
    pub(super) pilots: Vec<usize>,
    /// Pilots that are over.
    over: u32,
    /// When its walltime is over, once it runs.
    pub(super) walltime_ends: Option<Timestamp>,
    ended: Timestamp,
    never: bool,
    /// Whether the controller has given it back.
    given_back: bool,
}

impl Allocation {
    /// How long it has left, if it runs and has a walltime.
    pub(super) fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let ends = self.walltime_ends.filter(|_| self.phase == AllocationPhase::Running);
        ends.map(|ends| ends.since(now))
    }

    /// How many pilots it is to have.
    fn shares(&self) -> u32 {
        if self.spec.array { self.spec.nodes } else { 1 }
    }

    fn elements(&self) -> Option<Elements> {
        let begun = self.pilots.len() as u32;
        let ended = if self.phase == AllocationPhase::Ended { begun } else { self.over };
        self.spec.array.then(|| Elements { waiting: self.spec.nodes - begun, running: begun - ended, ended })
    }
}

impl Site {
    /// Allocations that have not ended.
    pub(super) fn live(&self) -> Vec<&AllocationId> {
        let live = self.allocations.iter().filter(|allocation| allocation.phase != AllocationPhase::Ended);
        live.map(|allocation| &allocation.id).collect()
    }

    /// Whether an allocation waits that will never start.
    pub(super) fn has_waiting(&self) -> bool {
        self.allocations
            .iter()
            .any(|allocation| allocation.never && allocation.phase != AllocationPhase::Ended)
    }

    fn find(&self, id: &AllocationId) -> Option<usize> {
        self.allocations.iter().position(|allocation| allocation.id == *id)
    }
}

fn error(action: Action, retry: Retry, reason: &str) -> BackendError {
    BackendError { backend: "sim".into(), action, retry, reason: reason.into(), command: None, hint: None }
}

impl World {
    /// A question is under way for a while, and is lost when the controller leaves meanwhile; so is the answer.
    pub(super) fn site_is_asked(&mut self, effect: Effect) {
        self.trace.line(self.now, || format!("controller asks: {effect:?}"));
        let delay = self.rng.duration(Duration::from_millis(5), Duration::from_secs(2));
        self.after(delay, Event::Question(Box::new(effect)));
    }

    pub(super) fn site_answers(&mut self, question: Effect) {
        if self.exited.is_some() {
            return;
        }
        let answer = match question {
            Effect::Submit { request, spec } => Input::Submitted { request, answer: self.submit(spec) },
            Effect::Find { request, .. } => {
                let live = self.site.live().into_iter().cloned().collect();
                let answer = if self.is_bad(Question::Find) {
                    Err(error(Action::Find, Retry::Later, "no answer"))
                } else {
                    Ok(live)
                };
                Input::Found { request, answer }
            }
            Effect::Poll { allocations } => Input::Polled { answer: self.poll(&allocations) },
            Effect::Cancel { allocations } => {
                let answer = self.cancel(&allocations);
                Input::Cancelled { allocations, answer }
            }
            Effect::ReadOutput { allocation } => Input::Output { allocation, text: "bye".into() },
            other => panic!("not a question to the site: {other:?}"),
        };
        let delay = self.rng.duration(Duration::from_millis(5), Duration::from_secs(2));
        self.after(delay, Event::Answer(Box::new(answer)));
    }

    /// Whether the next answer is a bad one.
    fn is_bad(&mut self, question: Question) -> bool {
        let streak = self.site.streaks.entry(question).or_default();
        let bad = *streak < STREAK_LIMIT && self.rng.percent(self.scenario.site_trouble);
        *streak = if bad { *streak + 1 } else { 0 };
        bad
    }

    fn submit(&mut self, spec: AllocationRequest) -> Result<AllocationId, BackendError> {
        if !self.is_bad(Question::Submit) {
            return Ok(self.accept(spec));
        }
        let error = |retry, reason| Err(error(Action::Submit, retry, reason));
        match self.rng.below(5) {
            0 => {
                self.site.disturbed = true;
                error(Retry::Never, "no such queue")
            }
            1 | 2 => error(Retry::Later, "the server is busy"),
            3 => error(Retry::Unsure, "the connection was lost"),
            _ => {
                self.accept(spec);
                error(Retry::Unsure, "the connection was lost")
            }
        }
    }

    fn accept(&mut self, spec: AllocationRequest) -> AllocationId {
        let number = self.site.allocations.len();
        let id = AllocationId(format!("{number}.sim"));
        let never = self.rng.percent(self.scenario.site_trouble / 3);
        let phase =
            if never && self.rng.percent(50) { AllocationPhase::Held } else { AllocationPhase::Queued };
        let ended = Timestamp::default();
        self.site.allocations.push(Allocation {
            id: id.clone(),
            spec,
            phase,
            pilots: Vec::new(),
            over: 0,
            walltime_ends: None,
            ended,
            never,
            given_back: false,
        });
        if !never {
            let wait = self.rng.duration(Duration::from_millis(10), Duration::from_secs(20));
            self.after(wait, Event::AllocationStarts(number));
        }
        id
    }

    fn poll(
        &mut self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        if self.is_bad(Question::Poll) {
            return Err(error(Action::Poll, Retry::Later, "no answer"));
        }
        let mut states = BTreeMap::new();
        for id in ids {
            let known = self.site.find(id).map(|index| &self.site.allocations[index]);
            let phase = known.map_or(AllocationPhase::Unknown, |allocation| allocation.phase.clone());
            let remaining = known.and_then(|allocation| allocation.remaining(self.now));
            let elements = known.and_then(Allocation::elements);
            let forgotten = known.is_some_and(|allocation| {
                allocation.phase == AllocationPhase::Ended && self.now.since(allocation.ended) > MEMORY
            });
            match self.is_bad(Question::State) || forgotten {
                true if self.rng.percent(50) => {}
                true => drop(states.insert(id.clone(), AllocationState::new(AllocationPhase::Unknown))),
                false => {
                    let state = AllocationState { remaining, elements, ..AllocationState::new(phase) };
                    states.insert(id.clone(), state);
                }
            }
        }
        Ok(states)
    }

    fn cancel(&mut self, ids: &[AllocationId]) -> Result<(), BackendError> {
        if self.is_bad(Question::Cancel) {
            return Err(error(Action::Cancel, Retry::Later, "no answer"));
        }
        for index in ids.iter().filter_map(|id| self.site.find(id)).collect::<Vec<_>>() {
            self.site.allocations[index].given_back = true;
            let wait = self.rng.duration(Duration::from_millis(10), Duration::from_secs(3));
            self.after(wait, Event::AllocationEnds(index));
        }
        Ok(())
    }

    pub(super) fn allocation_starts(&mut self, index: usize) {
        let allocation = &mut self.site.allocations[index];
        let begun = allocation.pilots.len() as u32;
        if allocation.phase == AllocationPhase::Ended || begun == allocation.shares() {
            return;
        }
        allocation.phase = AllocationPhase::Running;
        allocation.pilots.push(self.pilots.len());
        let (walltime, more) = (allocation.spec.walltime, begun + 1 < allocation.shares());
        if begun == 0 {
            allocation.walltime_ends = walltime.map(|walltime| self.now + walltime);
        }
        self.trace.line(self.now, || format!("allocation {index} starts, {begun} of it are there"));
        let element = allocation.spec.array.then_some(begun + 1);
        self.pilots.push(Pilot::new(index, allocation.id.clone(), element, &allocation.spec));
        self.at(self.now, Event::PilotDials(self.pilots.len() - 1));
        if more {
            let wait = self.rng.duration(Duration::from_millis(10), Duration::from_secs(20));
            self.after(wait, Event::AllocationStarts(index));
        }
        if let Some(walltime) = walltime.filter(|_| begun == 0) {
            self.after(walltime, Event::AllocationEnds(index));
        }
    }

    /// A pilot has left, and with it its element, or the whole.
    pub(super) fn share_ends(&mut self, index: usize, pilot: usize) {
        let allocation = &mut self.site.allocations[index];
        allocation.over += 1;
        if allocation.over == allocation.shares() {
            return self.allocation_ends(index);
        }
        self.site.disturbed |= self.stopping.is_none();
        self.kill_pilot(pilot);
    }

    /// The walltime is over, the allocation was cancelled, or its pilot has left.
    pub(super) fn allocation_ends(&mut self, index: usize) {
        let allocation = &mut self.site.allocations[index];
        if allocation.phase == AllocationPhase::Ended {
            return;
        }
        self.trace.line(self.now, || format!("allocation {index} ends"));
        self.site.disturbed |= self.stopping.is_none() && !allocation.given_back;
        allocation.phase = AllocationPhase::Ended;
        allocation.ended = self.now;
        for pilot in allocation.pilots.clone() {
            self.kill_pilot(pilot);
        }
    }
}
