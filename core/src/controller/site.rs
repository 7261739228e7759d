//! All allocations of the cluster: one submission or search at a time, one poll at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::allocations::{Allocation, Cancel, News, Stage, backoff};
use super::io::{ControllerConfig, Effect};
use super::limits::{BACKOFF, BACKOFF_LIMIT, REQUESTS_LIMIT, SILENT_POLLS, STOP_FIRST_POLL, STOP_POLL};
use super::pilots::Pilot;
use crate::error::BackendError;
use crate::id::{AllocationId, ClusterTag, LinkId, RequestId};
use crate::scheduler::{AllocationRequest, AllocationState};
use crate::time::Timestamp;
use crate::wire::AllocationStatus;
use std::time::Duration;

/// The answer to a poll.
type States = BTreeMap<AllocationId, AllocationState>;

/// All allocations.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) all: Vec<Allocation>,
    pub(super) tag: ClusterTag,
    poll_every: Duration,
    pub(super) poll_due: Timestamp,
    polling: bool,
    poll_failures: u32,
    /// How long a stop waits until it asks again.
    stop_pause: Duration,
    pub(super) pilots: BTreeMap<LinkId, Pilot>,
    /// How many engines are wanted that no allocation is to bring.
    pub(super) outside_wanted: u32,
    /// The number of the next request.
    next: u64,
    /// Whether a submission was ever in doubt: then a stop searches for what nobody knows of.
    sweep: Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    NotNeeded,
    /// At this time, or later.
    Due(Timestamp),
    Asked(RequestId),
    Done,
}

impl Site {
    pub(super) fn new(config: &ControllerConfig) -> Self {
        let mut site = Site {
            all: Vec::new(),
            tag: config.tag.clone(),
            poll_every: config.poll_every,
            poll_due: Timestamp::default(),
            polling: false,
            poll_failures: 0,
            stop_pause: STOP_FIRST_POLL,
            pilots: BTreeMap::new(),
            outside_wanted: config.engines_wanted,
            next: 0,
            sweep: Sweep::NotNeeded,
        };
        for spec in &config.requests {
            // they are filled in their order
            let wanted = site.outside_wanted.min(spec.nodes.saturating_mul(spec.ppn));
            site.outside_wanted -= wanted;
            site.add(spec.clone(), wanted);
        }
        site
    }

    /// Adds a request that is due at once, for so many engines.
    pub(super) fn add(&mut self, spec: AllocationRequest, wanted: u32) -> RequestId {
        let request = self.number();
        let due = Stage::Due(Timestamp::default());
        let mut one = Allocation::new(request, spec, due);
        one.wanted = wanted;
        self.all.push(one);
        request
    }

    /// Makes room for more requests, by forgetting the oldest of those that are over; `false` if there is not enough.
    pub(super) fn make_room(&mut self, count: u64) -> bool {
        let over = self.all.iter().filter(|one| one.stage == Stage::Over).count();
        let staying = (self.all.len() - over) as u64;
        if staying.saturating_add(count) > REQUESTS_LIMIT as u64 {
            return false;
        }
        let mut surplus = (self.all.len() + count as usize).saturating_sub(REQUESTS_LIMIT);
        self.all.retain(|one| {
            let forget = surplus > 0 && one.stage == Stage::Over;
            surplus -= usize::from(forget);
            !forget
        });
        true
    }

    /// How many engines are wanted, of which `outside` came by themselves: they are as welcome as those asked for.
    pub(super) fn engines_wanted(&self, outside: u32) -> u32 {
        let outside = self.outside_wanted.max(outside);
        self.all.iter().fold(outside, |sum, one| sum.saturating_add(one.wanted))
    }

    fn number(&mut self) -> RequestId {
        self.next += 1;
        RequestId(self.next - 1)
    }

    /// Asks the scheduler for whatever is due.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        stopping: bool,
        effects: &mut Vec<Effect>,
        news: &mut News,
    ) {
        let known = self.all.len();
        self.all.retain(|one| !(one.retired && one.stage == Stage::Over));
        news.changed |= self.all.len() < known;
        let (mut busy, doubt) = (self.is_busy(), self.is_in_doubt());
        for allocation in &mut self.all {
            let stopping = stopping || allocation.retired;
            match allocation.stage {
                Stage::Due(_) if stopping => allocation.stage = Stage::Over,
                Stage::Due(at) if at <= now && !busy && !doubt => {
                    busy = true;
                    allocation.stage = Stage::Submitting;
                    let (request, spec) = (allocation.request, allocation.spec.clone());
                    effects.push(Effect::Submit { request, spec });
                }
                Stage::FindDue(at) if (at <= now || stopping && allocation.tries_left()) && !busy => {
                    busy = true;
                    allocation.stage = Stage::Finding;
                    effects.push(Effect::Find { request: allocation.request, tag: self.tag.clone() });
                }
                Stage::Reading(until) if until <= now || stopping => allocation.read("", news),
                _ => {}
            }
        }
        self.cancel_due(now, effects);
        if stopping && self.sweep_due().is_some_and(|at| at <= now) {
            let request = self.number();
            self.sweep = Sweep::Asked(request);
            effects.push(Effect::Find { request, tag: self.tag.clone() });
        }
        if !self.polling && now >= self.poll_due {
            let live: Vec<AllocationId> = self.live().filter_map(|one| one.id.clone()).collect();
            if !live.is_empty() {
                self.polling = true;
                effects.push(Effect::Poll { allocations: live });
            }
        }
    }

    /// When a stop is to search for what nobody knows of: once all that is known of is over.
    fn sweep_due(&self) -> Option<Timestamp> {
        match self.sweep {
            Sweep::Due(at) if self.all.iter().all(|one| one.stage == Stage::Over) => Some(at),
            _ => None,
        }
    }

    fn is_busy(&self) -> bool {
        // one at a time, so that a search never finds what another submission is about to get
        self.all.iter().any(|one| matches!(one.stage, Stage::Submitting | Stage::Finding))
    }

    /// Whether a request may have been accepted: what a search finds is to be its, and not a later one's.
    fn is_in_doubt(&self) -> bool {
        self.all.iter().any(|one| matches!(one.stage, Stage::FindDue(_)))
    }

    fn live(&self) -> impl Iterator<Item = &Allocation> {
        self.all.iter().filter(|one| one.stage == Stage::Live)
    }

    /// When something is due.
    pub(super) fn deadline(&self, stopping: bool) -> Option<Timestamp> {
        let (busy, doubt) = (self.is_busy(), self.is_in_doubt());
        let stages = self.all.iter().filter_map(|one| match (one.stage, one.cancel) {
            (Stage::Due(at), _) if !busy && !doubt => Some(at),
            (Stage::FindDue(at), _) if !busy => Some(at),
            (Stage::Reading(until), _) => Some(until),
            (Stage::Live, Cancel::Due(at)) => Some(at),
            _ => None,
        });
        let poll = (!self.polling && self.live().next().is_some()).then_some(self.poll_due);
        stages.chain(poll).chain(self.sweep_due().filter(|_| stopping)).min()
    }

    /// The answer to a submission.
    pub(super) fn submitted(
        &mut self,
        now: Timestamp,
        request: RequestId,
        answer: Result<AllocationId, BackendError>,
        stopping: bool,
        news: &mut News,
    ) {
        let Some(one) = self.all.iter_mut().find(|one| one.request == request) else { return };
        if one.stage != Stage::Submitting {
            return;
        }
        match answer {
            Ok(id) => {
                one.accepted(now, id, stopping || one.retired, news);
                if stopping || !self.all.iter().any(|one| one.is_due(now)) {
                    self.poll_due = now;
                }
            }
            Err(error) => {
                one.refused(now, &error, stopping || one.retired, news);
                if matches!(one.stage, Stage::FindDue(_)) {
                    self.sweep = Sweep::Due(now);
                }
            }
        }
    }

    /// The answer to a search.
    pub(super) fn found(
        &mut self,
        now: Timestamp,
        request: RequestId,
        answer: Result<Vec<AllocationId>, BackendError>,
        stopping: bool,
        news: &mut News,
    ) {
        let known: BTreeSet<AllocationId> = self.all.iter().filter_map(|one| one.id.clone()).collect();
        let fresh = answer.map(|ids| ids.into_iter().filter(|id| !known.contains(id)).collect::<Vec<_>>());
        if self.sweep == Sweep::Asked(request) {
            self.sweep = Sweep::Done;
            self.swept(now, fresh, news);
            return;
        }
        let Some(one) = self.all.iter_mut().find(|one| one.request == request) else { return };
        if one.stage != Stage::Finding {
            return;
        }
        match fresh {
            Ok(fresh) => match fresh.into_iter().next() {
                Some(id) => {
                    one.accepted(now, id, stopping || one.retired, news);
                    self.poll_due = now;
                }
                None => one.not_found(now, stopping || one.retired, news),
            },
            Err(error) => one.search_failed(now, &error, news),
        }
    }

    /// What nobody knew of is given back.
    fn swept(&mut self, now: Timestamp, fresh: Result<Vec<AllocationId>, BackendError>, news: &mut News) {
        let ids = match fresh {
            Ok(ids) => ids,
            Err(error) => {
                news.problems.push(format!("{error}; looking again for what may be left"));
                self.sweep = Sweep::Due(now + BACKOFF);
                return;
            }
        };
        let Some(spec) = self.all.first().map(|one| one.spec.clone()) else { return };
        for id in ids {
            let request = self.number();
            let mut one = Allocation::new(request, spec.clone(), Stage::Live);
            one.accepted(now, id, true, news);
            self.all.push(one);
        }
        self.poll_due = now;
    }

    /// The answer to a poll. `linked` tells whether engines of an allocation are there.
    pub(super) fn polled(
        &mut self,
        now: Timestamp,
        answer: Result<States, BackendError>,
        linked: impl Fn(&AllocationId) -> bool,
        stopping: bool,
        news: &mut News,
    ) {
        self.polling = false;
        let pause = if stopping || self.any_ends() {
            self.stop_pause = (self.stop_pause * 2).min(STOP_POLL);
            self.stop_pause
        } else {
            self.poll_every
        };
        match answer {
            Ok(mut states) => {
                self.poll_failures = 0;
                self.poll_due = now + pause;
                for one in self.all.iter_mut().filter(|one| one.stage == Stage::Live) {
                    let Some(id) = one.id.clone() else { continue };
                    one.told(now, states.remove(&id), linked(&id), stopping || one.retired, news);
                }
            }
            Err(error) => {
                self.poll_failures += 1;
                if self.poll_failures == 1 {
                    news.problems.push(format!("{error}; asking again"));
                }
                if self.poll_failures >= SILENT_POLLS {
                    let live = self.all.iter_mut().filter(|one| one.stage == Stage::Live);
                    live.for_each(|one| one.unanswered(&error, news));
                }
                let longer = backoff(self.poll_failures).max(pause);
                self.poll_due = now + if stopping { pause } else { longer.min(BACKOFF_LIMIT) };
            }
        }
    }

    /// The end of an allocation's output.
    pub(super) fn output(&mut self, id: &AllocationId, text: &str, news: &mut News) {
        let wanted =
            |one: &&mut Allocation| one.id.as_ref() == Some(id) && matches!(one.stage, Stage::Reading(_));
        if let Some(one) = self.all.iter_mut().find(wanted) {
            one.read(text, news);
        }
    }

    /// Gives back everything: what its pilots end by themselves, once they have had the time to.
    pub(super) fn stop(&mut self, now: Timestamp) {
        for place in 0..self.all.len() {
            let at = now + self.own_end(place);
            let one = &mut self.all[place];
            if one.stage == Stage::Live && one.cancel == Cancel::No {
                one.cancel = Cancel::Due(at);
            }
        }
        self.poll_due = now + self.stop_pause;
    }

    /// Some allocation is about to end: the site is asked at once, and then less and less often.
    pub(super) fn ask_soon(&mut self, now: Timestamp) {
        self.stop_pause = STOP_FIRST_POLL;
        self.poll_due = self.poll_due.min(now + self.stop_pause);
    }

    /// Whether some allocation has time to end by itself before it is given back.
    fn any_ends(&self) -> bool {
        self.live().any(|one| matches!(one.cancel, Cancel::Due(_)) && one.cancel_tries == 0)
    }

    /// Whether nothing is left of any allocation.
    pub(super) fn is_over(&self) -> bool {
        let swept = matches!(self.sweep, Sweep::NotNeeded | Sweep::Done);
        swept && self.all.iter().all(|one| one.stage == Stage::Over)
    }

    /// What may be left.
    pub(super) fn unconfirmed(&self) -> Vec<String> {
        let known = self.all.iter().filter(|one| one.stage != Stage::Over).map(Allocation::name);
        let unknown = match self.sweep {
            Sweep::NotNeeded | Sweep::Done => None,
            Sweep::Due(_) | Sweep::Asked(_) => Some(format!("what else is named `{}`", self.tag)),
        };
        known.chain(unknown).collect()
    }

    /// Whether engines may still come.
    pub(super) fn are_coming(&self) -> bool {
        self.all.iter().any(Allocation::is_coming)
    }

    /// Why none comes, as far as allocations are to blame.
    pub(super) fn why_none_comes(&self) -> Option<String> {
        self.all.iter().rev().find_map(|one| one.problem.clone())
    }

    /// The place of an allocation; a peer that does not know its own belongs to the only one.
    pub(super) fn place(&self, id: Option<&AllocationId>) -> Option<usize> {
        match id {
            Some(id) => {
                self.all.iter().position(|one| one.id.as_ref().is_some_and(|own| own.is_known_as(id)))
            }
            None => (self.all.len() == 1).then_some(0),
        }
    }

    /// The site's name of an allocation that a peer may call otherwise.
    pub(super) fn own_name(&self, told: Option<AllocationId>) -> Option<AllocationId> {
        let place = self.place(Some(told.as_ref()?));
        place.and_then(|place| self.all[place].id.clone()).or(told)
    }

    /// What the status shows; `engines` tells how many of an allocation are there, by its place.
    pub(super) fn status(&self, now: Timestamp, engines: impl Fn(usize) -> u32) -> Vec<AllocationStatus> {
        let status = self.all.iter().enumerate().map(|(place, one)| AllocationStatus {
            request: one.request,
            id: one.id.clone(),
            nodes: one.spec.nodes,
            state: one.shown(now),
            engines: engines(place),
            engines_wanted: one.wanted,
            coming: one.is_coming(),
            problem: one.problem.clone(),
        });
        status.collect()
    }
}
