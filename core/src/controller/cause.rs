//! Why engines were lost. Where their allocation was taken from them no task is to blame: such a loss does not count.

use std::fmt;

use super::Controller;
use super::allocations::{Allocation, Cancel};
use super::host::Host;
use crate::id::{AllocationId, LinkId};
use crate::scheduler::{AllocationEnd, AllocationPhase};

/// Why an engine was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The time of its allocation, which is named, was over.
    Walltime(String),
    /// Its allocation was taken away otherwise.
    Taken(String),
    /// A client wanted it to go at once.
    Removed,
    /// Something else, perhaps one of its tasks.
    Other(String),
}

impl Cause {
    /// Whether no task can have been the cause.
    pub(super) fn is_excused(&self) -> bool {
        !matches!(self, Cause::Other(_))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Walltime(whose) => write!(f, "the walltime of {whose} was over"),
            Cause::Taken(text) | Cause::Other(text) => f.write_str(text),
            Cause::Removed => f.write_str("it was removed"),
        }
    }
}

impl Allocation {
    /// How it was taken from its engines, if it is known to have been: the site has said so.
    fn taken(&self) -> Option<Cause> {
        let ended = self.state.phase == AllocationPhase::Ended;
        let name = self.name();
        match self.state.end {
            _ if ended && self.walltime_was_over() => Some(Cause::Walltime(name)),
            Some(AllocationEnd::Cancelled) if ended => Some(Cause::Taken(format!("{name} was cancelled"))),
            Some(AllocationEnd::NodeFailed) if ended => {
                Some(Cause::Taken(format!("a node of {name} has failed")))
            }
            _ if self.cancel != Cancel::No || self.retired => {
                Some(Cause::Taken(format!("{name} was given back")))
            }
            _ => None,
        }
    }
}

impl Controller {
    /// Why the engines of a host were lost, as far as is known.
    pub(super) fn cause(&self, host: &Host, reason: &str) -> Cause {
        let other = || Cause::Other(reason.to_owned());
        let Some(place) = self.allocations.place(host.allocation.as_ref()) else { return other() };
        let one = &self.allocations.all[place];
        let over = host.ends.is_some_and(|ends| ends <= self.now + Allocation::WALLTIME_SLACK);
        let taken = one.taken().or_else(|| over.then(|| Cause::Walltime(one.name())));
        let signal = || {
            let signal = one.told.signals.get(&*host.node)?;
            Some(Cause::Taken(format!("{} was ended from outside: its pilot got {signal}", one.name())))
        };
        taken.or_else(signal).unwrap_or_else(other)
    }

    /// A pilot was asked to end: what its engines had is not to blame, also of those that were lost a moment ago.
    pub(super) fn pilot_is_ending(&mut self, link: LinkId, signal: &str) {
        if let Some(id) = self.allocations.note_signal(link, signal) {
            self.forgive(&id);
        }
    }

    /// The site has told how an allocation ended: if it was taken away, what was lost before that was known does not count.
    pub(super) fn reconsider(&mut self, id: &AllocationId) {
        let place = self.allocations.place(Some(id));
        if place.is_some_and(|place| self.allocations.all[place].taken().is_some()) {
            self.forgive(id);
        }
    }

    fn forgive(&mut self, id: &AllocationId) {
        self.tasks.batches_mut().for_each(|batch| batch.forgive(id));
    }
}
