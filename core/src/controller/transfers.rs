//! Long payloads pass through, part by part: nothing of them is kept here. Whoever needs one pulls it, and whoever has
//! it keeps it until then.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::io::Effect;
use crate::id::{LinkId, SubmissionId, TaskId};
use crate::transfer::Pulls;
use crate::wire::{Message, Outcomes, TRANSFER_WINDOW_BYTES, Transfer};

/// A long argument on its way from its client to an engine host.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) host: LinkId,
    bytes: u64,
    passed: u64,
    granted: u64,
}

/// A long result on its way from an engine host to its client.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) host: LinkId,
    pub(super) owner: Owner,
    pub(super) client_id: TaskId,
    pub(super) bytes: u64,
    /// Whether the task ended well.
    pub(super) ok: bool,
    pub(super) passed: u64,
    pub(super) granted: u64,
}

/// All transfers, by the controller's task ids.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    pub(super) arguments: BTreeMap<TaskId, Argument>,
    pub(super) results: BTreeMap<TaskId, Relay>,
    /// Results of submissions, which are pulled here.
    pulls: Pulls,
    /// Those that are being pulled, or wait for room; with what is known of their ends.
    announced: BTreeMap<TaskId, Outcomes>,
    waiting: VecDeque<TaskId>,
    /// What those that are being pulled will take.
    pulling_bytes: u64,
}

impl Transfers {
    /// An engine host will pull this argument.
    pub(super) fn begin_argument(&mut self, task: TaskId, host: LinkId, bytes: u64) {
        self.arguments.insert(task, Argument { host, bytes, passed: 0, granted: 0 });
    }

    /// A result will not come.
    pub(super) fn forget_result(&mut self, task: TaskId) {
        let relay = self.results.remove(&task);
        self.announced.remove(&task);
        self.waiting.retain(|waiting| *waiting != task);
        if self.pulls.forget(Transfer::Result(task)) {
            self.pulling_bytes -= relay.map_or(0, |relay| relay.bytes);
        }
    }

    /// Asserts that every submission's long result is on its way here.
    pub(super) fn check(&self) {
        let wanted = self.results.iter().filter(|(_, relay)| matches!(relay.owner, Owner::Submission(_)));
        assert!(
            wanted.map(|(task, _)| task).eq(self.announced.keys()),
            "a submission's long result is forgotten"
        );
        let pulled: u64 = self
            .announced
            .keys()
            .filter(|task| !self.waiting.contains(task))
            .filter_map(|task| self.results.get(task))
            .map(|relay| relay.bytes)
            .sum();
        assert_eq!(self.pulling_bytes, pulled, "bytes that are being pulled");
    }

    /// A submission's result is to be pulled, when there is room for it.
    pub(super) fn await_result(&mut self, task: TaskId, outcomes: Outcomes) {
        self.announced.insert(task, outcomes);
        self.waiting.push_back(task);
    }
}

/// How far the receiver of a payload may ask: within its window, and not beyond the end (an empty payload has one part).
fn allowed(upto: u64, passed: u64, bytes: u64) -> u64 {
    upto.min(passed.saturating_add(TRANSFER_WINDOW_BYTES)).min(bytes.max(1))
}

impl Controller {
    /// An engine host asks for more of an argument: so does the controller.
    pub(super) fn grant_argument(
        &mut self,
        link: LinkId,
        task: TaskId,
        upto: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some((batch, index)) = self.tasks.find(task) else { return };
        let Some(argument) = self.transfers.arguments.get_mut(&task) else { return };
        if argument.host != link {
            return;
        }
        let upto = allowed(upto, argument.passed, argument.bytes);
        if upto > argument.granted {
            argument.granted = upto;
            let message = Message::Grant { transfer: Transfer::Argument(batch.client_id(index)), upto };
            if let Owner::Link(link) = batch.origin.owner {
                effects.push(Effect::Send { link, message });
            }
        }
    }

    /// A client sends part of an argument. What was on its way for an engine that is lost since is dropped; after that
    /// the client starts anew.
    pub(super) fn pass_argument(
        &mut self,
        link: LinkId,
        client_id: TaskId,
        offset: u64,
        data: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.controller_id(link, client_id) else { return };
        let Some(argument) = self.transfers.arguments.get_mut(&task) else { return };
        if offset == 0 {
            argument.passed = 0;
        }
        let end = offset.saturating_add(data.len() as u64);
        if offset != argument.passed || end > argument.granted || argument.granted == 0 {
            return;
        }
        argument.passed = end;
        let message = Message::Chunk { transfer: Transfer::Argument(task), offset, data };
        effects.push(Effect::Send { link: argument.host, message });
    }

    /// A client asks for more of a result: so does the controller.
    pub(super) fn grant_result(
        &mut self,
        link: LinkId,
        client_id: TaskId,
        upto: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.controller_id(link, client_id) else { return };
        let Some(relay) = self.transfers.results.get_mut(&task) else { return };
        let upto = allowed(upto, relay.passed, relay.bytes);
        if upto > relay.granted {
            relay.granted = upto;
            let message = Message::Grant { transfer: Transfer::Result(task), upto };
            effects.push(Effect::Send { link: relay.host, message });
        }
    }

    /// An engine host sends part of a result; with the last part, the task has ended.
    pub(super) fn pass_result(
        &mut self,
        link: LinkId,
        task: TaskId,
        offset: u64,
        data: Bytes,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Some(relay) = self.transfers.results.get_mut(&task).filter(|relay| relay.host == link) else {
            return Ok(());
        };
        let end = offset.saturating_add(data.len() as u64);
        if offset != relay.passed || end > relay.granted || relay.granted == 0 {
            return Err(format!("a part of result {task} at {offset}..{end} was not asked for"));
        }
        relay.passed = end;
        let (owner, client_id, over, ok) = (relay.owner, relay.client_id, end >= relay.bytes, relay.ok);
        let link = match owner {
            Owner::Link(link) => link,
            Owner::Submission(id) => return self.pulled(id, task, offset, data, effects),
        };
        let message = Message::Chunk { transfer: Transfer::Result(client_id), offset, data };
        effects.push(Effect::Send { link, message });
        if over {
            self.transfers.results.remove(&task);
            self.end_relayed(task, ok);
            self.flush(link, effects);
        }
        Ok(())
    }

    /// Takes part of a submission's result.
    fn pulled(
        &mut self,
        id: SubmissionId,
        task: TaskId,
        offset: u64,
        data: Bytes,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        if let Some(whole) = self.transfers.pulls.chunk(self.now, Transfer::Result(task), offset, data)? {
            self.transfers.pulling_bytes -= whole.len() as u64;
            let ok = self.transfers.results.remove(&task).is_some_and(|relay| relay.ok);
            let outcomes = self.transfers.announced.remove(&task);
            self.end_relayed(task, ok);
            if let Some(outcomes) = outcomes {
                self.keep(id, outcomes, vec![whole], effects);
            }
        }
        self.pull_results(effects);
        Ok(())
    }

    /// Asks for results of submissions, as far as there is room for them; one at a time has room whatever its length.
    pub(super) fn pull_results(&mut self, effects: &mut Vec<Effect>) {
        let Transfers { results, pulls, waiting, pulling_bytes, .. } = &mut self.transfers;
        while let Some(task) = waiting.front().copied() {
            let bytes = results.get(&task).map_or(0, |relay| relay.bytes);
            let taken = self.submissions.kept_bytes + *pulling_bytes;
            if taken > 0 && taken.saturating_add(bytes) > self.config.result_bytes {
                break;
            }
            waiting.pop_front();
            *pulling_bytes += bytes;
            pulls.begin(Transfer::Result(task), bytes);
        }
        pulls.grant(self.now, |message| {
            let Message::Grant { transfer: Transfer::Result(task), upto } = message else { return };
            if let Some(relay) = results.get_mut(&task) {
                relay.granted = upto;
                effects.push(Effect::Send { link: relay.host, message });
            }
        });
    }

    fn end_relayed(&mut self, task: TaskId, ok: bool) {
        let Some((batch, index)) = self.tasks.find(task) else { return };
        let first = batch.first;
        let Some(batch) = self.tasks.batch_mut(first) else { return };
        let cost = batch.cost(batch.positions(index, index + 1));
        let (owner, client_id) = (batch.origin.owner, batch.client_id(index));
        let Some(slot) = batch.slot_mut(index) else { return };
        slot.place = Place::Ended;
        let id = slot.engine;
        if let Some(engine) = self.engines.get_mut(id) {
            engine.relays -= 1;
            engine.completed += 1;
        }
        self.trim(id);
        self.engines.rank(id, &self.functions, self.config.queue_ahead);
        self.tasks.assigned -= 1;
        *(if ok { &mut self.board.succeeded } else { &mut self.board.failed }) += 1;
        if let Some(account) = self.accounts.get_mut(&owner).filter(|_| !ok) {
            account.note_failed(client_id, 1);
        }
        self.ended(first, 1, cost);
    }

    /// The controller's id of a client's unfinished task.
    fn controller_id(&self, link: LinkId, client_id: TaskId) -> Option<TaskId> {
        let (base, first) =
            self.accounts.get(&Owner::Link(link))?.batches.range(..=client_id.0).next_back()?;
        let (offset, batch) = (client_id.0 - base, self.tasks.batch(*first)?);
        (offset < batch.count as u64).then(|| TaskId(first + offset))
    }
}

impl Outcomes {
    /// Whether these announce a task's long result.
    pub(super) fn announces(&self, task: TaskId) -> bool {
        !self.batch.bulk.is_empty() && self.runs.ids().next() == Some(task)
    }
}
