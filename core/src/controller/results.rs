//! From an engine's outcomes to its clients' results: ids are translated, columns and payloads pass untouched.

use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::io::Effect;
use super::ready::Range;
use super::refusals::REFUSED;
use super::sorting::{Piece, Sorting, Tally};
use super::transfers::Relay;
use crate::id::{EngineId, LinkId, TaskId};
use crate::task::TaskStatus;
use crate::wire::{BatchCutter, Message, Outcomes, RETURNED, Transfer};

impl Controller {
    /// Takes an engine's outcomes. Tasks that are not there (any more) are ignored: their client has left, or their
    /// cancellation crossed.
    pub(super) fn done(
        &mut self,
        link: LinkId,
        outcomes: Outcomes,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let announced = announced(&outcomes);
        if let Some(engine) = self.check_done(link, &outcomes)? {
            self.sort_out(link, engine, outcomes, effects);
        }
        for task in announced {
            if self.transfers.results.get(&task).is_none_or(|relay| relay.host != link) {
                // it would be kept for ever by a host that nobody asks for it
                let message = Message::Grant { transfer: Transfer::Result(task), upto: 0 };
                effects.push(Effect::Send { link, message });
            }
        }
        Ok(())
    }

    fn sort_out(&mut self, link: LinkId, engine: EngineId, outcomes: Outcomes, effects: &mut Vec<Effect>) {
        let codes = outcomes.codes.clone();
        let outcomes = self.note_refusals(link, engine, outcomes, effects);
        let mut sorting = Sorting {
            engine,
            outcomes: &outcomes,
            codes,
            elsewhere: false,
            attempts_limit: self.config.attempts_limit,
            pieces: Vec::new(),
            again: Vec::new(),
            back: Vec::new(),
            unwanted: Vec::new(),
            anew: Vec::new(),
            arguments: Vec::new(),
            bad: Vec::new(),
            succeeded: 0,
            failed: 0,
        };
        let refused = sorting.codes.contains(&REFUSED);
        let mut at = 0;
        for (first, count) in outcomes.runs.iter() {
            let (mut id, end) = (first.0, first.0 + count as u64);
            while let Some(batch) = self.tasks.first_within(id, end) {
                let (from, to) = (id.max(batch.first), end.min(batch.end()));
                let (number, function) = (batch.first, batch.origin.function);
                if refused {
                    let needs = Arc::clone(&batch.origin.needs);
                    let kind = self.functions.get(function).map(|known| known.function.kind);
                    sorting.elsewhere = kind.is_some_and(|kind| self.any_runs(kind, &needs));
                }
                let Some(batch) = self.tasks.batch_mut(number) else { break };
                let tally = sorting.batch(batch, from, to, at + (from - first.0) as usize);
                self.left(engine, number, function, &tally);
                id = to;
            }
            at += count as usize;
        }
        let Sorting { pieces, again, back, unwanted, anew, arguments, bad, succeeded, failed, .. } = sorting;
        self.board.succeeded += succeeded;
        self.board.failed += failed;
        for (owner, task) in bad {
            if let Some(account) = self.accounts.get_mut(&owner) {
                account.note_failed(task, 1);
            }
        }
        for task in arguments {
            self.transfers.arguments.remove(&task);
        }
        self.trim(engine);
        self.engines.rank(engine, &self.functions, self.config.queue_ahead);
        self.take_back(engine, again, back, effects);
        self.tasks.assigned -= unwanted.iter().map(Range::len).sum::<u64>();
        self.end_all(&unwanted, TaskStatus::Cancelled, None, "cancelled before it ran", effects);
        for (owner, client_id) in anew {
            if let Owner::Link(link) = owner {
                let message = Message::Grant { transfer: Transfer::Argument(client_id), upto: 0 };
                effects.push(Effect::Send { link, message });
            }
        }
        self.pass_on(link, engine, outcomes, pieces, effects);
    }

    /// Queues what an engine has had and is to run: `again` behind the others, what it gave `back` before them.
    fn take_back(
        &mut self,
        engine: EngineId,
        again: Vec<Range>,
        mut back: Vec<Range>,
        effects: &mut Vec<Effect>,
    ) {
        let stranded = (!again.is_empty() || !back.is_empty()) && !self.engines.stays(engine);
        back.sort_unstable();
        let (again, back) = (again.into_iter().map(|range| (range, false)), back.into_iter().rev());
        for (range, front) in again.chain(back.map(|range| (range, true))) {
            self.tasks.assigned -= range.len();
            self.queue(range, front);
        }
        if stranded {
            // it may have been the only one that they were for
            self.give_up_unserved(effects);
        }
    }

    /// Which engine these are of; `None` if it was taken out, and its tasks with it.
    fn check_done(&self, link: LinkId, outcomes: &Outcomes) -> Result<Option<EngineId>, String> {
        let engine = outcomes.engine.ok_or("Done names no engine")?;
        if self.hosts.get(&link).is_none_or(|host| !host.engines.contains(&engine.0)) {
            return Err(format!("Done for engine {engine}, which is not on this host"));
        }
        let count = outcomes.batch.lengths.len();
        let codes = outcomes.codes.len();
        if outcomes.runs.count() != count as u64
            || outcomes.ran.len() != count
            || codes != 0 && codes != count
        {
            return Err("Done has columns of different length".to_owned());
        }
        let no_status = |code: &u8| *code > TaskStatus::Crashed as u8 && ![REFUSED, RETURNED].contains(code);
        if outcomes.codes.iter().any(no_status) {
            return Err("Done has a status that no engine gives".to_owned());
        }
        if !outcomes.runs.iter().all(|(first, count)| self.tasks.were_given(first, count)) {
            return Err("Done for tasks that never were".to_owned());
        }
        Ok(self.engines.get(engine).map(|_| engine))
    }

    /// Takes note that tasks of a batch have left an engine, some of them for good.
    fn left(&mut self, engine: EngineId, batch: u64, function: u32, tally: &Tally) {
        let ran = tally.released - tally.not_run;
        self.functions.measure(function, ran as u64, tally.micros, tally.results);
        if let Some(engine) = self.engines.get_mut(engine) {
            engine.watch.hear(self.now);
            engine.release(function, tally.released, tally.bytes);
            engine.relays += tally.relayed;
            engine.completed += tally.ended as u64;
        }
        self.give_back(engine);
        self.tasks.assigned -= tally.ended as u64;
        self.ended(batch, tally.ended, tally.cost);
    }

    /// Sends each client its part.
    fn pass_on(
        &mut self,
        link: LinkId,
        engine: EngineId,
        outcomes: Outcomes,
        mut pieces: Vec<Piece>,
        effects: &mut Vec<Effect>,
    ) {
        let node = self.hosts.get(&link).map(|host| host.node.clone());
        let whole = outcomes.batch.lengths.len();
        if let [Piece { relay: false, count, .. }] = pieces[..]
            && count == whole
            && let Some(piece) = pieces.pop()
        {
            let (runs, attempts) = (piece.runs.finish(), piece.attempts.into());
            let outcomes = Outcomes { node, runs, attempts, ..outcomes };
            self.deliver(piece.owner, outcomes, effects);
            return;
        }
        let mut rest = BatchCutter::new(outcomes.batch);
        let mut done = 0;
        for piece in pieces {
            rest.take(piece.at - done);
            let batch = rest.take(piece.count);
            done = piece.at + piece.count;
            let range = piece.at..done;
            let codes = &outcomes.codes;
            let part = Outcomes {
                engine: Some(engine),
                node: node.clone(),
                ended_micros: outcomes.ended_micros,
                runs: piece.runs.finish(),
                codes: if codes.is_empty() { codes.clone() } else { codes.slice(range.clone()) },
                ran: outcomes.ran.slice(range),
                attempts: piece.attempts.into(),
                batch,
            };
            match piece.relay {
                false => self.deliver(piece.owner, part, effects),
                true => self.announce(link, piece.id, piece.owner, part, effects),
            }
        }
    }

    /// Tells a client of a long result, which it then pulls.
    fn announce(
        &mut self,
        host: LinkId,
        task: TaskId,
        owner: Owner,
        outcomes: Outcomes,
        effects: &mut Vec<Effect>,
    ) {
        let Some(client_id) = outcomes.runs.ids().next() else { return };
        let relay = Relay {
            host,
            owner,
            client_id,
            bytes: outcomes.batch.bulk.first().map_or(0, |bulk| bulk.bytes),
            ok: outcomes.codes.first().is_none_or(|code| *code == TaskStatus::Ok as u8),
            passed: 0,
            granted: 0,
        };
        self.transfers.results.insert(task, relay);
        match owner {
            Owner::Link(_) => self.deliver(owner, outcomes, effects),
            Owner::Submission(_) => {
                self.transfers.await_result(task, outcomes);
                self.pull_results(effects);
            }
        }
    }
}

/// The tasks whose long results are announced.
fn announced(outcomes: &Outcomes) -> Vec<TaskId> {
    let mut bulk = outcomes.batch.bulk.iter().map(|bulk| bulk.index as usize).peekable();
    if bulk.peek().is_none() {
        return Vec::new();
    }
    let ids = outcomes.runs.ids().enumerate();
    ids.filter(|(index, _)| bulk.next_if_eq(index).is_some()).map(|(_, id)| id).collect()
}
