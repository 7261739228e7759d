//! Further engines, when a client asks for them.

use super::Controller;
use super::io::Effect;
use super::limits::{ENGINES_LIMIT, REQUESTS_LIMIT};
use crate::id::LinkId;
use crate::wire::{Growth, Message, Portion};

impl Controller {
    /// Asks the site for further allocations, or tells the client why not.
    pub(super) fn grow(&mut self, link: LinkId, question: u32, growth: Growth, effects: &mut Vec<Effect>) {
        let message = match self.why_not(&growth) {
            Some(reason) => Message::Declined { question, reason },
            None => {
                let (engines, allocations) = (growth.engines(), growth.allocations());
                let text =
                    format!("a client asks for further engines: {engines}, in allocations: {allocations}");
                effects.push(Effect::Log { text });
                self.board.version += 1;
                let mut first = None;
                for Portion { request, times, engines } in growth.portions {
                    for _ in 0..times {
                        first.get_or_insert(self.allocations.add(request.clone(), engines));
                    }
                }
                Message::Agreed { question, request: first, engines: Vec::new() }
            }
        };
        effects.push(Effect::Send { link, message });
    }

    fn why_not(&mut self, growth: &Growth) -> Option<String> {
        let (more, count) = (growth.engines(), growth.allocations());
        let wanted = u64::from(self.allocations.engines_wanted(0)).saturating_add(more);
        if self.stop.is_some() {
            Some("the cluster is being stopped".to_owned())
        } else if let Some(reason) = growth.portions.iter().find_map(|portion| self.why_no_such(portion)) {
            Some(reason)
        } else if count == 0 {
            Some("no allocation is asked for".to_owned())
        } else if wanted > ENGINES_LIMIT as u64 {
            Some(format!("the cluster would have {wanted} engines, and may have {ENGINES_LIMIT}"))
        } else if !self.allocations.make_room(count) {
            Some(format!(
                "{count} more allocations would be too many: {REQUESTS_LIMIT} may be under way at once"
            ))
        } else {
            None
        }
    }

    fn why_no_such(&self, portion: &Portion) -> Option<String> {
        let Portion { request, engines, .. } = portion;
        if request.tag != self.allocations.tag {
            let (theirs, ours) = (&request.tag, &self.allocations.tag);
            return Some(format!("allocations of this cluster are marked `{ours}`, not `{theirs}`"));
        }
        let fits = (1..=request.nodes.saturating_mul(request.ppn)).contains(engines);
        (!fits).then(|| {
            format!("{} nodes with {} engines each cannot have {engines}", request.nodes, request.ppn)
        })
    }
}
