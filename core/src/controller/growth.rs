//! Further engines, when a client asks for them.

use super::Controller;
use super::io::Effect;
use super::limits::{ENGINES_LIMIT, REQUESTS_LIMIT};
use crate::id::LinkId;
use crate::wire::{Growth, Message};

impl Controller {
    /// Asks the site for a further allocation, or tells the client why not.
    pub(super) fn grow(&mut self, link: LinkId, question: u32, growth: Growth, effects: &mut Vec<Effect>) {
        let message = match self.why_not(&growth) {
            Some(reason) => Message::Declined { question, reason },
            None => {
                let Growth { request, engines } = growth;
                let text =
                    format!("a client asks for further engines: {engines}, on nodes: {}", request.nodes);
                effects.push(Effect::Log { text });
                self.board.version += 1;
                let request = Some(self.allocations.add(request, engines));
                Message::Agreed { question, request, engines: Vec::new() }
            }
        };
        effects.push(Effect::Send { link, message });
    }

    fn why_not(&mut self, growth: &Growth) -> Option<String> {
        let Growth { request, engines } = growth;
        let most = request.nodes.saturating_mul(request.ppn);
        let wanted = self.allocations.engines_wanted() as u64 + *engines as u64;
        if self.stop.is_some() {
            Some("the cluster is being stopped".to_owned())
        } else if request.tag != self.allocations.tag {
            let (theirs, ours) = (&request.tag, &self.allocations.tag);
            Some(format!("allocations of this cluster are marked `{ours}`, not `{theirs}`"))
        } else if *engines == 0 || *engines > most {
            Some(format!("{} nodes with {} engines each cannot have {engines}", request.nodes, request.ppn))
        } else if wanted > ENGINES_LIMIT as u64 {
            Some(format!("the cluster would have {wanted} engines, and may have {ENGINES_LIMIT}"))
        } else if self.allocations.all.len() >= REQUESTS_LIMIT && !self.allocations.forget_one() {
            Some(format!("{REQUESTS_LIMIT} allocations are under way, and may be at once"))
        } else {
            None
        }
    }
}
