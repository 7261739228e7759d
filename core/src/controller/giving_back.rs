//! Giving allocations back: what is due goes together, since a site with hundreds is not to be asked for each.

use super::allocations::{Allocation, Cancel, News, Stage, backoff};
use super::io::Effect;
use super::limits::{BACKOFF, CANCEL_LIMIT};
use super::site::Site;
use crate::error::BackendError;
use crate::id::AllocationId;
use crate::time::Timestamp;

impl Site {
    /// Gives back what is due, together.
    pub(super) fn cancel_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let due = |one: &&mut Allocation| {
            one.stage == Stage::Live && matches!(one.cancel, Cancel::Due(at) if at <= now)
        };
        let ids = self.all.iter_mut().filter(due).filter_map(|one| {
            let id = one.id.clone()?;
            one.cancel = Cancel::Asked;
            Some(id)
        });
        let ids: Vec<AllocationId> = ids.collect();
        let commands = ids.chunks(CANCEL_LIMIT);
        effects.extend(commands.map(|ids| Effect::Cancel { allocations: ids.to_vec() }));
    }

    /// The answer to a cancellation, which was for all of these.
    pub(super) fn cancelled(
        &mut self,
        now: Timestamp,
        ids: &[AllocationId],
        answer: Result<(), BackendError>,
        stopping: bool,
        news: &mut News,
    ) {
        let asked = |one: &&mut Allocation| {
            one.cancel == Cancel::Asked && one.id.as_ref().is_some_and(|id| ids.contains(id))
        };
        let (mut any, mut first) = (false, false);
        for one in self.all.iter_mut().filter(asked) {
            any = true;
            if answer.is_ok() {
                one.cancel = Cancel::Delivered;
                continue;
            }
            one.cancel_tries += 1;
            first |= one.cancel_tries == 1;
            // a stop has little time, and ends
            let pause = if stopping { BACKOFF } else { backoff(one.cancel_tries) };
            one.cancel = Cancel::Due(now + pause);
        }
        match answer {
            Ok(()) if any => self.poll_due = self.poll_due.min(now),
            Err(error) if first => news.problems.push(format!("{error}; trying again")),
            _ => {}
        }
    }
}
