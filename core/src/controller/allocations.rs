//! One request for nodes from its submission to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ends::Told;
use super::limits::{BACKOFF, BACKOFF_LIMIT, SUBMIT_TRIES, UNKNOWN_LIMIT, UNKNOWN_TIME};
use super::status::shortened;
use crate::error::{BackendError, Retry};
use crate::id::{AllocationId, RequestId};
use crate::profile::duration;
use crate::scheduler::{AllocationEnd, AllocationPhase, AllocationRequest, AllocationState};
use crate::time::Timestamp;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// To be submitted, at this time.
    Due(Timestamp),
    Submitting,
    /// It may have been accepted: to be looked for, at this time.
    FindDue(Timestamp),
    Finding,
    /// The site has accepted it.
    Live,
    /// It ended before its engines came; the end of its output is awaited, until this time.
    Reading(Timestamp),
    Over,
}

/// Giving an allocation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// To be asked for, at this time.
    Due(Timestamp),
    Asked,
    /// The site has the request.
    Delivered,
}

/// What is to be told of a change.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) problems: Vec<String>,
    pub(super) changed: bool,
    /// The output of this allocation is to be read.
    pub(super) read: Vec<AllocationId>,
    /// The site says that this allocation has ended.
    pub(super) ended: Vec<AllocationId>,
}

/// One request, and the allocation that came of it.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) request: RequestId,
    pub(super) spec: AllocationRequest,
    pub(super) stage: Stage,
    pub(super) id: Option<AllocationId>,
    pub(super) state: AllocationState,
    pub(super) problem: Option<String>,
    pub(super) cancel: Cancel,
    /// How often that has failed.
    pub(super) cancel_tries: u32,
    /// Whether engines of it were ever there.
    pub(super) seen: bool,
    /// When it ends, and since when it runs, as far as that was told.
    pub(super) told: Told,
    /// Whether it ended about when its walltime did.
    outrun: bool,
    /// Whether its pilot has stopped to start engine hosts.
    pub(super) given_up: bool,
    /// How many engines of it are wanted.
    pub(super) wanted: u32,
    /// How many engines are to stay on nodes some of whose engines were to leave; of an array, on each element's.
    pub(super) released: BTreeMap<(Option<u32>, String), u32>,
    /// Whether nothing of it is wanted any more: it is given back once its engine hosts have left.
    pub(super) retired: bool,
    tries: u32,
    /// Searches since the last submission that found nothing, or failed.
    searches: u32,
    /// Answers in a row that did not mention it, and since when.
    unknown: u32,
    unknown_since: Timestamp,
}

/// The pause before a further try.
pub(super) fn backoff(tries: u32) -> Duration {
    BACKOFF.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(BACKOFF_LIMIT)
}

fn in_words(error: &BackendError) -> String {
    error.hint.as_ref().map_or_else(|| error.to_string(), |hint| format!("{error} ({hint})"))
}

impl Allocation {
    /// Reading the output takes a moment; after this, the problem is told without.
    const READ_WAIT: Duration = Duration::from_secs(10);

    /// Sites tell of a beginning late, by as long as they are not asked: an end so much before the walltime's is its.
    pub(super) const WALLTIME_SLACK: Duration = Duration::from_secs(15);

    /// How long a new job may take to show in the site's lists.
    const SHOW_WAIT: Duration = Duration::from_secs(10);

    pub(super) fn new(request: RequestId, spec: AllocationRequest, stage: Stage) -> Self {
        Allocation {
            request,
            spec,
            stage,
            id: None,
            state: AllocationState::default(),
            problem: None,
            cancel: Cancel::No,
            cancel_tries: 0,
            seen: false,
            told: Told::default(),
            outrun: false,
            given_up: false,
            wanted: 0,
            released: BTreeMap::new(),
            retired: false,
            tries: 0,
            searches: 0,
            unknown: 0,
            unknown_since: Timestamp::default(),
        }
    }

    /// Whether a search that is not due yet may be tried at once: a stop does not wait for the site's good time.
    pub(super) fn tries_left(&self) -> bool {
        self.searches == 0
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        self.id.as_ref().map_or_else(|| format!("request {}", self.request), |id| format!("allocation {id}"))
    }

    /// Whether engines of it may still come.
    pub(super) fn is_coming(&self) -> bool {
        self.stage != Stage::Over && !self.retired && !(self.stage == Stage::Live && self.given_up)
    }

    /// Whether it is to be submitted now: the poll waits for that, since many requests are not to be a poll each.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Due(at) if at <= now)
    }

    /// How many elements of an array may have a pilot: all, until the site has told how far they are.
    pub(super) fn elements_due(&self) -> u32 {
        match self.state.elements {
            Some(elements) => elements.waiting.saturating_add(elements.running),
            None if self.seen => 0,
            None => self.spec.nodes,
        }
    }

    /// Nothing of it is wanted any more.
    pub(super) fn retire(&mut self) {
        (self.retired, self.wanted) = (true, 0);
    }

    /// The site knows it by this id.
    pub(super) fn accepted(&mut self, now: Timestamp, id: AllocationId, stopping: bool, news: &mut News) {
        self.id = Some(id);
        self.state.reason = None;
        self.stage = Stage::Live;
        self.cancel = if stopping { Cancel::Due(now) } else { Cancel::No };
        news.changed = true;
    }

    /// The submission failed.
    pub(super) fn refused(&mut self, now: Timestamp, error: &BackendError, stopping: bool, news: &mut News) {
        self.tries += 1;
        match error.retry {
            Retry::Unsure => {
                self.searches = 0;
                self.stage = Stage::FindDue(now);
                news.problems.push(format!("{}; looking for it in the queue", in_words(error)));
            }
            Retry::Later if !stopping && self.tries < SUBMIT_TRIES => {
                let pause = backoff(self.tries);
                self.stage = Stage::Due(now + pause);
                let told = Some(in_words(error));
                if self.state.reason != told {
                    news.problems.push(format!("{}; trying again in {pause:?}", in_words(error)));
                }
                self.state.reason = told;
                news.changed = true;
            }
            Retry::Never | Retry::Later => self.fail(in_words(error), news),
        }
    }

    /// A search has not found it: once more after a moment, then it was not accepted.
    pub(super) fn not_found(&mut self, now: Timestamp, stopping: bool, news: &mut News) {
        self.searches += 1;
        if self.searches < 2 {
            self.stage = Stage::FindDue(now + Self::SHOW_WAIT);
        } else if stopping {
            self.stage = Stage::Over;
        } else if self.tries < SUBMIT_TRIES {
            self.stage = Stage::Due(now);
        } else {
            self.fail(format!("the site did not accept an allocation in {SUBMIT_TRIES} tries"), news);
        }
    }

    /// A search has failed.
    pub(super) fn search_failed(&mut self, now: Timestamp, error: &BackendError, news: &mut News) {
        self.searches += 1;
        if self.searches < SUBMIT_TRIES {
            self.stage = Stage::FindDue(now + backoff(self.searches));
            return;
        }
        let tag = &self.spec.tag;
        self.fail(
            format!(
                "{}; the site may have accepted an allocation all the same: look for `{tag}` in its queue, and cancel it",
                in_words(error)
            ),
            news,
        );
    }

    fn fail(&mut self, problem: String, news: &mut News) {
        self.stage = Stage::Over;
        self.problem = Some(shortened(&problem));
        news.problems.push(problem);
        news.changed = true;
    }

    /// Its own processes are here, before the site has said that it runs.
    pub(super) fn shows_life(&mut self, now: Timestamp) {
        self.told.since.get_or_insert(now);
        let before = [AllocationPhase::Unknown, AllocationPhase::Queued, AllocationPhase::Held];
        if before.contains(&self.state.phase) {
            self.state.phase = AllocationPhase::Running;
            self.state.reason = None;
        }
    }

    /// The site has told its state, or has not mentioned it.
    pub(super) fn told(
        &mut self,
        now: Timestamp,
        state: Option<AllocationState>,
        linked: bool,
        stopping: bool,
        news: &mut News,
    ) {
        match state.filter(|state| state.phase != AllocationPhase::Unknown) {
            None => self.not_mentioned(now, linked, stopping, news),
            Some(state) => {
                self.unknown = 0;
                let told = |state: &AllocationState| {
                    (state.phase.clone(), state.reason.clone(), state.nodes.clone())
                };
                news.changed |= told(&state) != told(&self.state);
                if state.never && !self.state.never && !stopping {
                    let reason = state.reason.as_deref().unwrap_or("it does not say why");
                    news.problems.push(format!("{} will never run, says the site: {reason}", self.name()));
                }
                self.begin_anew(&state.phase, linked, news);
                self.state = state;
                if self.state.phase == AllocationPhase::Running {
                    self.heed_site(now);
                } else {
                    self.stop_counting();
                }
                if self.state.phase == AllocationPhase::Ended {
                    self.ended(now, stopping, news);
                }
            }
        }
    }

    /// A site may put what has run back into its queue, after a node has failed for one: what was told of its time is over,
    /// and its engines are to come once more. While some are there, the site tells late of the beginning.
    fn begin_anew(&mut self, phase: &AllocationPhase, linked: bool, news: &mut News) {
        let waits = matches!(phase, AllocationPhase::Queued | AllocationPhase::Held);
        let ran = matches!(self.state.phase, AllocationPhase::Running | AllocationPhase::Ending);
        if (ran || self.seen) && waits && !linked {
            news.problems
                .push(format!("{} has lost its nodes: the site has put it back into its queue", self.name()));
            self.told = Told::default();
            (self.seen, self.given_up) = (false, false);
        }
    }

    /// The site has not answered for a while: nothing is known of its state, which is no end.
    pub(super) fn unanswered(&mut self, error: &BackendError, news: &mut News) {
        let reason = Some(format!("the site does not answer: {}", error.reason));
        if self.state.phase != AllocationPhase::Unknown || self.state.reason != reason {
            self.state = AllocationState { reason, ..AllocationState::default() };
            news.changed = true;
        }
    }

    fn not_mentioned(&mut self, now: Timestamp, linked: bool, stopping: bool, news: &mut News) {
        if self.unknown == 0 {
            self.unknown_since = now;
        }
        self.unknown += 1;
        if self.unknown >= 2 && !linked && !self.told.signals.is_empty() {
            // it was told to end, and the site forgets what has ended; the second answer is no slip of the first
            let reason = self.state.reason.take();
            self.state = AllocationState { reason, ..AllocationState::new(AllocationPhase::Ended) };
            return self.ended(now, stopping, news);
        }
        let long = self.unknown >= UNKNOWN_LIMIT && now.since(self.unknown_since) >= UNKNOWN_TIME;
        if self.cancel == Cancel::Delivered && self.unknown >= 3 {
            // it was given back, and the site has forgotten it
            self.stage = Stage::Over;
            news.changed = true;
        } else if long && !linked && self.retired {
            self.stage = Stage::Over;
            news.changed = true;
        } else if long && !linked {
            self.state = AllocationState::default();
            self.fail(
                format!("the site no longer knows {}, and no engine of it is there", self.name()),
                news,
            );
        }
    }

    fn ended(&mut self, now: Timestamp, stopping: bool, news: &mut News) {
        news.changed = true;
        news.ended.extend(self.id.clone());
        let ran = self.told.since.map(|since| now.since(since) + Self::WALLTIME_SLACK);
        self.outrun = ran.zip(self.spec.walltime).is_some_and(|(ran, walltime)| ran >= walltime);
        if stopping || self.cancel != Cancel::No {
            self.stage = Stage::Over;
        } else if !self.seen
            && let Some(id) = &self.id
        {
            news.read.push(id.clone());
            self.stage = Stage::Reading(now + Self::READ_WAIT);
        } else {
            self.fail(format!("{} has ended{}", self.name(), self.how()), news);
        }
    }

    /// The end of its output is here (or will not come).
    pub(super) fn read(&mut self, text: &str, news: &mut News) {
        let text = text.trim();
        let said = if text.is_empty() {
            ", and it left no output".to_owned()
        } else {
            format!("; the end of its output:\n{text}")
        };
        self.fail(format!("{} ended before its engines registered{}{said}", self.name(), self.how()), news);
    }

    /// Whether it has ended because its walltime was over: as the site says, or as the clock does where it does not.
    pub(super) fn walltime_was_over(&self) -> bool {
        match self.state.end {
            Some(AllocationEnd::Walltime) => true,
            // sites that do not tell send the same signal as for a cancellation
            Some(AllocationEnd::Signal(_) | AllocationEnd::Cancelled) | None => self.outrun,
            Some(AllocationEnd::Exit(_) | AllocationEnd::NodeFailed) => false,
        }
    }

    fn how(&self) -> String {
        let end = self.state.end.filter(|end| *end != AllocationEnd::Walltime).map(|end| end.to_string());
        let walltime = self.walltime_was_over().then(|| match self.spec.walltime {
            Some(walltime) => format!("its walltime of {} was over", duration::clock(walltime)),
            None => AllocationEnd::Walltime.to_string(),
        });
        // a pilot that was told to end does so in good order
        let untold = matches!(self.state.end, None | Some(AllocationEnd::Exit(0))) && walltime.is_none();
        let signal = self.told.signals.values().next().filter(|_| untold);
        let signal = signal.map(|signal| format!("from outside: its pilot got {signal}"));
        let how = end.into_iter().chain(self.state.reason.clone()).chain(walltime).chain(signal);
        let how: Vec<String> = how.collect();
        if how.is_empty() { String::new() } else { format!(" ({})", how.join(", ")) }
    }
}
