//! What clients say: functions, tasks, windows, questions.

use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::{Origin, Place};
use super::blame::by_last_try;
use super::io::Effect;
use super::limits::{BATCH_TASKS_LIMIT, FUNCTIONS_LIMIT, FUNCTIONS_LIMIT_BYTES};
use super::needs::Needs;
use super::ready::Range;
use crate::id::{EngineId, FunctionHash, LinkId, TaskId};
use crate::task::{Function, TaskOptions};
use crate::wire::{BULK, Batch, BatchCutter, INLINE_LIMIT_BYTES, Message, Transfer};

impl Controller {
    /// Takes a client's message.
    pub(super) fn client_says(
        &mut self,
        link: LinkId,
        message: Message,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match message {
            Message::Define(function) => self.define(link, function),
            Message::Submit { base, function, options, batch } => {
                self.submit(link, base, function, options, batch, effects)
            }
            Message::Cancel { runs, running } => {
                self.cancel(self.owner(link), &runs, running, effects);
                Ok(())
            }
            Message::Window { bytes } => {
                if let Some(client) = self.clients.get_mut(&link) {
                    client.outbox.widen(bytes);
                }
                self.flush(link, effects);
                Ok(())
            }
            Message::Room { engine: None, bytes } => {
                if let Some(client) = self.clients.get_mut(&link) {
                    client.outbox.output.widen(bytes);
                }
                self.flush(link, effects);
                Ok(())
            }
            Message::Open { name } => self.open(link, name, effects),
            Message::Read { submission, results } => self.read(link, submission, results, effects),
            Message::Close => self.close(link, effects),
            Message::Forget { upto } => self.forget(link, upto, effects),
            Message::List { question, submission, from } => {
                self.list(link, question, submission, from, effects)
            }
            Message::Grant { transfer: transfer @ Transfer::Result(_), upto }
                if matches!(self.owner(link), Owner::Submission(_)) =>
            {
                self.grant_kept(link, transfer, upto, effects);
                Ok(())
            }
            Message::Why { question, subjects } => self.why(link, question, &subjects, effects),
            Message::Ask { question, after } => self.ask(link, question, after, effects),
            Message::Grow { question, growth } => {
                self.grow(link, question, *growth, effects);
                Ok(())
            }
            Message::Retire { question, now, retirees } => {
                self.retire(link, question, now, &retirees, effects);
                Ok(())
            }
            Message::Stop => {
                self.begin_stop("a client stopped it", effects);
                Ok(())
            }
            Message::Grant { transfer: Transfer::Result(task), upto } => {
                self.grant_result(link, task, upto, effects);
                Ok(())
            }
            Message::Chunk { transfer: Transfer::Argument(task), offset, data } => {
                self.pass_argument(link, task, offset, data, effects);
                Ok(())
            }
            other => Err(format!("{} is not for a client to say", other.name())),
        }
    }

    fn define(&mut self, link: LinkId, function: Function) -> Result<(), String> {
        let owner = self.owner(link);
        let Some(account) = self.accounts.get_mut(&owner) else { return Ok(()) };
        let bytes = function.body.len() as u64;
        let key = self.functions.define(function);
        if !account.functions.insert(key) {
            self.functions.release(key);
            return Ok(());
        }
        account.function_bytes += bytes;
        if account.function_bytes > FUNCTIONS_LIMIT_BYTES || account.functions.len() > FUNCTIONS_LIMIT {
            return Err(format!(
                "more than {FUNCTIONS_LIMIT} functions, or {FUNCTIONS_LIMIT_BYTES} bytes of them; pass large data as arguments"
            ));
        }
        Ok(())
    }

    fn submit(
        &mut self,
        link: LinkId,
        base: TaskId,
        function: FunctionHash,
        options: TaskOptions,
        batch: Batch,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        check_batch(&batch)?;
        let owner = self.owner(link);
        if let Owner::Submission(id) = owner {
            self.check_filled(link, id, &batch)?;
        }
        if let Some(after) = &options.after {
            self.check_after(owner, after)?;
        }
        let Some(account) = self.accounts.get_mut(&owner) else { return Ok(()) };
        let count = batch.lengths.len() as u64;
        let end = base.0.checked_add(count).ok_or("submitted ids pass the last one")?;
        if base.0 < account.next {
            return Err(format!("task {base} was submitted before"));
        }
        let key = self.functions.key(&function).filter(|key| account.functions.contains(key));
        let key = key.ok_or_else(|| format!("function {function:?} was not defined"))?;
        // last of all: what is refused must not count, since a submission outlives the client that is sent away
        if !account.window.receive(batch.cost()) {
            return Err("more was submitted than the window allows".to_owned());
        }
        account.next = end;
        let needs = Arc::new(Needs::of(&options));
        let options = Arc::new(options);
        let place = if options.after.is_some() { Place::Waiting } else { Place::Queued };
        let mut ranges = Vec::new();
        let (mut rest, mut base) = (BatchCutter::new(batch), base.0);
        while rest.remaining() > 0 {
            let part = rest.take(BATCH_TASKS_LIMIT);
            let count = part.lengths.len() as u32;
            let origin = Origin { owner, function: key, options: options.clone(), needs: needs.clone() };
            let first = self.tasks.add(origin, base, part, place);
            if let (Some(account), Some(batch)) = (self.accounts.get_mut(&owner), self.tasks.batch(first)) {
                account.batches.insert(base, first);
                account.kept += batch.footprint();
            }
            ranges.push(Range { first, from: 0, to: count });
            base += count as u64;
        }
        if place == Place::Waiting {
            self.wait_for_others(owner, options, ranges, effects);
        } else {
            ranges.into_iter().for_each(|range| self.queue(range, false));
        }
        if !needs.is_plain() {
            self.give_up_unserved(effects);
        }
        if let Owner::Submission(id) = owner {
            self.tell_opened(id, None, effects);
        }
        Ok(())
    }

    /// Queues tasks that are in nobody's hands.
    pub(super) fn queue(&mut self, range: Range, front: bool) {
        self.tasks.queued += range.len();
        self.enqueue(range, front);
    }

    fn enqueue(&mut self, range: Range, front: bool) {
        let Some(batch) = self.tasks.batch(range.first) else { return };
        let (owner, needs) = (batch.origin.owner, Arc::clone(&batch.origin.needs));
        if !batch.has_losses() {
            return self.push(owner, &needs, range, front);
        }
        let mut parts = by_last_try(batch, range, self.config.attempts_limit);
        if front {
            parts.reverse();
        }
        for (part, last_try) in parts {
            let needs = if last_try { needs.for_last_try() } else { Arc::clone(&needs) };
            self.push(owner, &needs, part, front);
        }
    }

    fn push(&mut self, owner: Owner, needs: &Arc<Needs>, range: Range, front: bool) {
        let lane = self.ready.push(owner, needs, range, front);
        // where any engine will do, those that have room look at all lanes anyway
        if !needs.is_plain() {
            for id in self.engines_for(needs) {
                self.engines.look_at(id, lane, needs.priority);
            }
        }
    }

    /// The engines that may run such tasks.
    pub(super) fn engines_for(&self, needs: &Needs) -> Vec<EngineId> {
        let accepts =
            |host: LinkId, id| self.hosts.get(&host).is_some_and(|host| needs.accept(id, host, self.now));
        match &needs.targets {
            Some(targets) => {
                let there = targets.iter().filter_map(|id| Some((*id, self.engines.get(*id)?.host)));
                there.filter(|(id, host)| accepts(*host, *id)).map(|(id, _)| id).collect()
            }
            None => self
                .engines
                .iter()
                .filter(|(id, engine)| accepts(engine.host, *id))
                .map(|(id, _)| id)
                .collect(),
        }
    }
}

/// Whether a batch is what its columns say; a link's decoder has looked at most of it.
fn check_batch(batch: &Batch) -> Result<(), String> {
    let mut announced = batch.bulk.iter();
    let mut inline = 0u64;
    for (index, length) in batch.lengths.iter().enumerate() {
        if length == BULK {
            if announced.next().is_none_or(|bulk| bulk.index as usize != index) {
                return Err("a long argument is not announced".to_owned());
            }
        } else if length as usize > INLINE_LIMIT_BYTES {
            return Err(format!("an argument of {length} bytes came in a batch; it must be announced"));
        } else {
            inline += length as u64;
        }
    }
    if inline != batch.payload.len() as u64 || announced.next().is_some() {
        return Err("lengths do not add up to the arguments".to_owned());
    }
    Ok(())
}
