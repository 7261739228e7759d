//! From an engine's outcomes to its clients' results: ids are translated, columns and payloads pass untouched.

use bytes::Bytes;

use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::{Batch, Place, Slot, Wanted};
use super::io::Effect;
use super::ready::Range;
use super::refusals::REFUSED;
use super::transfers::Relay;
use crate::id::{EngineId, LinkId, TaskId};
use crate::task::TaskStatus;
use crate::wire::{BULK, BatchCutter, Message, Outcomes, RunsBuilder, Transfer, unpack_duration};

/// What becomes of a task that an engine has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its outcome goes to the client.
    Forward,
    /// Its outcome goes to the client, who then pulls the long result.
    Relay,
    /// It runs again.
    Again,
}

/// Neighbouring tasks of the same fate and client.
#[derive(Debug)]
struct Piece {
    fate: Fate,
    owner: Owner,
    /// Where they are in the outcomes' columns.
    at: usize,
    count: usize,
    /// The controller's id of the first.
    id: TaskId,
    /// The client's ids.
    runs: RunsBuilder,
    /// How often each was sent to an engine; empty while that is once.
    attempts: Vec<u8>,
}

/// Outcomes that are being sorted out.
#[derive(Debug)]
struct Sorting<'a> {
    engine: EngineId,
    outcomes: &'a Outcomes,
    /// The engine's own, refusals among them.
    codes: Bytes,
    /// Whether another engine may run what this one refuses.
    elsewhere: bool,
    attempts_limit: u16,
    pieces: Vec<Piece>,
    again: Vec<Range>,
    /// Tasks whose long argument is needed no more.
    arguments: Vec<TaskId>,
    /// Tasks that did not end well, by their owners' ids.
    bad: Vec<(Owner, TaskId)>,
    succeeded: u64,
    failed: u64,
}

/// What has left the engine, of one batch.
#[derive(Debug, Default)]
struct Tally {
    released: u32,
    /// Those that it cannot run, of which nothing is to be learnt.
    refused: u32,
    relayed: u32,
    bytes: u64,
    micros: u64,
    results: u64,
    ended: u32,
    cost: u64,
}

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
        let Sorting { pieces, again, arguments, bad, succeeded, failed, .. } = sorting;
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
        let stranded = !again.is_empty() && !self.engines.stays(engine);
        for range in again {
            self.tasks.assigned -= range.len();
            self.queue(range, false);
        }
        if stranded {
            // it may have been the only one that they were for
            self.give_up_unserved(effects);
        }
        self.pass_on(link, engine, outcomes, pieces, effects);
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
        if outcomes.codes.iter().any(|code| *code > TaskStatus::Crashed as u8 && *code != REFUSED) {
            return Err("Done has a status that no engine gives".to_owned());
        }
        if !outcomes.runs.iter().all(|(first, count)| self.tasks.were_given(first, count)) {
            return Err("Done for tasks that never were".to_owned());
        }
        Ok(self.engines.get(engine).map(|_| engine))
    }

    /// Takes note that tasks of a batch have left an engine, some of them for good.
    fn left(&mut self, engine: EngineId, batch: u64, function: u32, tally: &Tally) {
        let ran = tally.released - tally.refused;
        self.functions.measure(function, ran as u64, tally.micros, tally.results);
        if let Some(engine) = self.engines.get_mut(engine) {
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
        if let [Piece { fate: Fate::Forward, count, .. }] = pieces[..]
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
            match piece.fate {
                Fate::Forward => self.deliver(piece.owner, part, effects),
                Fate::Relay => self.announce(link, piece.id, piece.owner, part, effects),
                Fate::Again => {}
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

impl Sorting<'_> {
    /// Sorts out the tasks `from..to` of a batch, whose columns begin at `at`.
    fn batch(&mut self, batch: &mut Batch, from: u64, to: u64, at: usize) -> Tally {
        let mut tally = Tally::default();
        let any_long = !self.outcomes.batch.bulk.is_empty();
        for position in batch.positions((from - batch.first) as u32, (to - batch.first) as u32) {
            let index = batch.index(position);
            let task = batch.first + index as u64;
            let column = at + (task - from) as usize;
            let code = self.codes.get(column).copied().unwrap_or(TaskStatus::Ok as u8);
            let length = self.outcomes.batch.lengths.get(column);
            let long = any_long && length == BULK;
            let retries = batch.origin.options.retries;
            let rerun = batch.origin.options.rerun;
            let slot = batch.at_mut(position);
            if slot.place != Place::Assigned || slot.engine != self.engine {
                continue;
            }
            tally.refused += (code == REFUSED) as u32;
            let given_back = code == REFUSED && self.elsewhere && slot.wanted == Wanted::Yes;
            let fate = if given_back {
                // it has not begun: this was no try
                slot.attempt = slot.attempt.saturating_sub(1);
                Fate::Again
            } else if runs_again(slot, code, retries, rerun, self.attempts_limit) {
                Fate::Again
            } else if long {
                Fate::Relay
            } else {
                Fate::Forward
            };
            slot.place = match fate {
                Fate::Again => Place::Queued,
                Fate::Relay => Place::Relayed,
                Fate::Forward => Place::Ended,
            };
            tally.released += 1;
            if batch.bulk(index).is_some() {
                self.arguments.push(TaskId(task));
            }
            tally.bytes += batch.bytes(position..position + 1);
            tally.micros += unpack_duration(self.outcomes.ran.get(column)).as_micros() as u64;
            tally.results += if long { 0 } else { length as u64 };
            match fate {
                Fate::Forward => {
                    tally.ended += 1;
                    tally.cost += batch.cost(position..position + 1);
                    let counter =
                        if code == TaskStatus::Ok as u8 { &mut self.succeeded } else { &mut self.failed };
                    *counter += 1;
                    if code != TaskStatus::Ok as u8 {
                        self.bad.push((batch.origin.owner, batch.client_id(index)));
                    }
                }
                Fate::Relay => tally.relayed += 1,
                Fate::Again => self.again.push(Range { first: batch.first, from: index, to: index + 1 }),
            }
            let attempt = batch.at(position).attempt.min(u8::MAX as u16) as u8;
            self.add(fate, batch.origin.owner, column, attempt, TaskId(task), batch.client_id(index));
        }
        tally
    }

    fn add(&mut self, fate: Fate, owner: Owner, at: usize, attempt: u8, id: TaskId, client_id: TaskId) {
        match self.pieces.last_mut() {
            Some(last)
                if fate == Fate::Forward
                    && last.fate == fate
                    && last.owner == owner
                    && last.at + last.count == at =>
            {
                if attempt > 1 && last.attempts.is_empty() {
                    last.attempts.resize(last.count, 1);
                }
                if attempt > 1 || !last.attempts.is_empty() {
                    last.attempts.push(attempt);
                }
                last.count += 1;
                last.runs.push(client_id);
            }
            _ => {
                let mut runs = RunsBuilder::default();
                runs.push(client_id);
                let attempts = if attempt > 1 { vec![attempt] } else { Vec::new() };
                self.pieces.push(Piece { fate, owner, at, count: 1, id, runs, attempts });
            }
        }
    }
}

/// Whether a task that has ended so runs again; takes note of why.
fn runs_again(slot: &mut Slot, code: u8, retries: u16, rerun: bool, attempts_limit: u16) -> bool {
    if slot.wanted != Wanted::Yes || code == TaskStatus::Ok as u8 {
        return false;
    }
    if code == TaskStatus::Cancelled as u8 {
        // nobody has asked for that: its engine gave it up
        return rerun && slot.losses() < attempts_limit;
    }
    let again = slot.failures < retries;
    if again {
        slot.failures += 1;
    }
    again
}
