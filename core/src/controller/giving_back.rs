//! Giving allocations back: what is due goes together, since a site with hundreds is not to be asked for each.

use super::allocations::{Allocation, Cancel, News, Stage, backoff};
use super::io::Effect;
use super::limits::{BACKOFF, CANCEL_AGAIN, CANCEL_LIMIT};
use super::site::Site;
use crate::error::BackendError;
use crate::id::AllocationId;
use crate::time::Timestamp;

impl Site {
    /// Gives back what is due, together; what has failed twice goes in ever smaller parts, so that one that always fails
    /// leaves the others in no doubt.
    pub(super) fn cancel_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let (mut whole, mut again) = (Vec::new(), Vec::new());
        for one in self.all.iter_mut().filter(|one| one.stage == Stage::Live) {
            if let (Cancel::Due(at), Some(id)) = (one.cancel, &one.id)
                && at <= now
            {
                let due = if one.cancel_tries < 2 { &mut whole } else { &mut again };
                due.push(id.clone());
                one.cancel = Cancel::Asked;
            }
        }
        let few = again.len().div_ceil(CANCEL_AGAIN).clamp(1, CANCEL_LIMIT);
        let commands = whole.chunks(CANCEL_LIMIT).chain(again.chunks(few));
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
