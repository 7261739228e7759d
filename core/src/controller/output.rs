//! What running tasks write, on its way to their clients, or to the files of their submission: in order with their
//! results, and never more than their windows hold.

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::io::Effect;
use super::limits::COPY_LIMIT_BYTES;
use crate::id::{EngineId, LinkId};
use crate::wire::{Message, Output};

impl Controller {
    /// Passes on what a task wrote, or holds it until its client has room. What nobody waits for is dropped.
    pub(super) fn pass_output(
        &mut self,
        link: LinkId,
        mut output: Output,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let (id, cost) = (output.engine, output.cost());
        if self.hosts.get(&link).is_none_or(|host| !host.engines.contains(&id.0)) {
            return Err(format!("Output of engine {id}, which is not on this host"));
        }
        // one that was given back while it ran writes for nobody
        let Some(engine) = self.engines.get_mut(id) else { return Ok(()) };
        if !engine.output.receive(cost) {
            return Err(format!("engine {id} sent more output than it may"));
        }
        let task = self.tasks.find(output.task).and_then(|(batch, index)| {
            let slot = batch.slot(index)?;
            let runs = slot.engine == id && slot.place == Place::Assigned;
            runs.then(|| (batch.origin.owner, batch.client_id(index), slot.attempt))
        });
        let Some((owner, task, attempt)) = task else {
            self.output_left(id, cost, effects);
            return Ok(());
        };
        output.task = task;
        let link = match owner {
            Owner::Link(link) => link,
            Owner::Submission(submission) => {
                self.write(submission, attempt, output, effects);
                return Ok(());
            }
        };
        let Some(client) = self.clients.get_mut(&link) else { return Ok(()) };
        if client.outbox.holds_back() && output.data.len() < COPY_LIMIT_BYTES {
            // a few bytes that wait do not keep all alive that came with them
            output.data = output.data.to_vec().into();
        }
        client.outbox.push_output(output);
        self.flush(link, effects);
        Ok(())
    }

    /// What an engine's task wrote is here no longer: there is room for more.
    pub(super) fn output_left(&mut self, engine: EngineId, cost: u64, effects: &mut Vec<Effect>) {
        let Some(known) = self.engines.get_mut(engine) else { return };
        if let Some(bytes) = known.output.pass(cost) {
            let message = Message::Room { engine: Some(engine), bytes };
            effects.push(Effect::Send { link: known.host, message });
        }
    }
}
