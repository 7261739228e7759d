//! Tasks that wait for other tasks: they run once those have ended as asked, or end when that can never be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::io::Effect;
use super::ready::Range;
use crate::id::{SubmissionId, TaskId};
use crate::task::{After, AfterEnd, TaskOptions, TaskStatus};

/// Tasks that wait for the same.
#[derive(Debug)]
struct Wait {
    owner: Owner,
    options: Arc<TaskOptions>,
    ranges: Vec<Range>,
}

/// What may end a wait: something about these tasks changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watched {
    /// Of an owner's batch, by its base, tasks have ended.
    Batch(Owner, u64),
    /// A submission has ended, or is gone.
    Submission(SubmissionId),
}

/// How a wait stands.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Over,
    /// It can never be over.
    Never(String),
    /// It depends on these.
    Open(Vec<Watched>),
}

/// All waits.
#[derive(Debug, Default)]
pub(super) struct Waits {
    all: BTreeMap<u64, Wait>,
    next: u64,
    watches: BTreeMap<Watched, BTreeSet<u64>>,
    /// What has changed since waits were looked at.
    stirred: BTreeSet<Watched>,
}

impl Waits {
    /// Takes note that tasks of a batch have ended. Costs next to nothing while nobody waits.
    pub(super) fn ended(&mut self, owner: Owner, base: u64) {
        let watched = Watched::Batch(owner, base);
        if self.watches.contains_key(&watched) {
            self.stirred.insert(watched);
        }
    }

    /// Whether something has changed since waits were looked at.
    pub(super) fn is_stirred(&self) -> bool {
        !self.stirred.is_empty()
    }

    /// Takes note that a submission has ended, or is gone.
    pub(super) fn submission_ended(&mut self, id: SubmissionId) {
        self.stirred.insert(Watched::Submission(id));
    }

    /// Forgets the waits of an owner.
    pub(super) fn forget(&mut self, owner: Owner) {
        let gone: Vec<u64> =
            self.all.iter().filter(|(_, wait)| wait.owner == owner).map(|(key, _)| *key).collect();
        for key in gone {
            self.all.remove(&key);
            self.unwatch(key);
        }
    }

    fn watch(&mut self, key: u64, watched: Vec<Watched>) {
        for watched in watched {
            self.watches.entry(watched).or_default().insert(key);
        }
    }

    fn unwatch(&mut self, key: u64) {
        self.watches.retain(|_, keys| {
            keys.remove(&key);
            !keys.is_empty()
        });
    }

    /// How many tasks of an owner wait, or were cancelled while they did.
    pub(super) fn of(&self, owner: Owner) -> u64 {
        let waits = self.all.values().filter(|wait| wait.owner == owner);
        waits.flat_map(|wait| &wait.ranges).map(Range::len).sum()
    }

    /// Each wait's owner, what it is for, and how many tasks wait so, or were cancelled while they did.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Owner, &After, u64)> {
        let waits = self.all.values().filter_map(|wait| Some((wait, wait.options.after.as_ref()?)));
        waits.map(|(wait, after)| (wait.owner, after, wait.ranges.iter().map(Range::len).sum()))
    }

    /// The ranges that wait, for checks.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        self.all.values().flat_map(|wait| wait.ranges.iter().copied())
    }
}

impl Controller {
    /// Refuses a wait for tasks that were not submitted before.
    pub(super) fn check_after(&self, owner: Owner, after: &After) -> Result<(), String> {
        let next = self.accounts.get(&owner).map_or(0, |account| account.next);
        let unknown = after.tasks.iter().find(|(first, count)| first.0.saturating_add(*count as u64) > next);
        match unknown {
            Some((first, count)) => {
                Err(format!("tasks are to run after {count} tasks from {first} on, which are not submitted"))
            }
            None => Ok(()),
        }
    }

    /// Has tasks wait for what their options name.
    pub(super) fn wait_for_others(
        &mut self,
        owner: Owner,
        options: Arc<TaskOptions>,
        ranges: Vec<Range>,
        effects: &mut Vec<Effect>,
    ) {
        let key = self.waits.next;
        self.waits.next += 1;
        self.tasks.waiting += ranges.iter().map(Range::len).sum::<u64>();
        self.waits.all.insert(key, Wait { owner, options, ranges });
        self.look_at(key, effects);
    }

    /// Looks at the waits of which something has changed, until nothing changes any more.
    pub(super) fn advance_waits(&mut self, effects: &mut Vec<Effect>) {
        while let Some(watched) = self.waits.stirred.pop_first() {
            let keys = self.waits.watches.get(&watched).cloned().unwrap_or_default();
            for key in keys {
                self.look_at(key, effects);
            }
        }
    }

    fn look_at(&mut self, key: u64, effects: &mut Vec<Effect>) {
        let Some(wait) = self.waits.all.get(&key) else { return };
        let Some(after) = &wait.options.after else { return };
        let verdict = self.verdict(wait.owner, after);
        self.waits.unwatch(key);
        if let Verdict::Open(watched) = verdict {
            self.waits.watch(key, watched);
            return;
        }
        let Some(wait) = self.waits.all.remove(&key) else { return };
        let ranges = self.still_waiting(wait.ranges);
        self.tasks.waiting -= ranges.iter().map(Range::len).sum::<u64>();
        match verdict {
            Verdict::Never(why) => self.end_all(&ranges, TaskStatus::Unplaced, None, &why, effects),
            _ => self.release(&ranges, effects),
        }
    }

    fn release(&mut self, ranges: &[Range], effects: &mut Vec<Effect>) {
        for range in ranges {
            if let Some(batch) = self.tasks.batch_mut(range.first) {
                for position in batch.positions(range.from, range.to) {
                    batch.at_mut(position).place = Place::Queued;
                }
            }
            self.queue(*range, false);
        }
        self.give_up_unserved(effects);
    }

    /// The parts of ranges whose tasks were not cancelled meanwhile.
    fn still_waiting(&self, ranges: Vec<Range>) -> Vec<Range> {
        let mut left: Vec<Range> = Vec::new();
        for range in ranges {
            let Some(batch) = self.tasks.batch(range.first) else { continue };
            for position in batch.positions(range.from, range.to) {
                if batch.at(position).place != Place::Waiting {
                    continue;
                }
                let index = batch.index(position);
                match left.last_mut() {
                    Some(last) if last.first == range.first && last.to == index => last.to += 1,
                    _ => left.push(Range { first: range.first, from: index, to: index + 1 }),
                }
            }
        }
        left
    }

    fn verdict(&self, owner: Owner, after: &After) -> Verdict {
        let mut open = Vec::new();
        let mut refused = None;
        let tasks = after.tasks.iter().map(|(first, count)| self.tasks_stand(owner, *first, *count, after));
        let submissions = after.submissions.iter().map(|id| self.submission_stands(*id, after.on));
        for verdict in tasks.chain(submissions) {
            match verdict {
                Verdict::Over if after.any => return Verdict::Over,
                Verdict::Over => {}
                Verdict::Never(why) if !after.any => return Verdict::Never(why),
                Verdict::Never(why) => refused = Some(why),
                Verdict::Open(watched) => open.extend(watched),
            }
        }
        match refused {
            _ if !open.is_empty() => Verdict::Open(open),
            Some(why) => Verdict::Never(why),
            None => Verdict::Over,
        }
    }

    /// How a wait for `count` tasks from `first` on stands.
    fn tasks_stand(&self, owner: Owner, first: TaskId, count: u32, after: &After) -> Verdict {
        let Some(account) = self.accounts.get(&owner) else { return Verdict::Over };
        let end = first.0 + count as u64;
        let before = account.batches.range(..first.0).next_back();
        let (mut watched, mut unfinished) = (Vec::new(), 0);
        for (base, number) in before.into_iter().chain(account.batches.range(first.0..end.max(first.0))) {
            let Some(batch) = self.tasks.batch(*number) else { continue };
            let from = first.0.saturating_sub(*base).min(batch.count as u64) as u32;
            let to = end.saturating_sub(*base).min(batch.count as u64) as u32;
            let live =
                batch.positions(from, to).filter(|at| batch.at(*at).place != Place::Ended).count() as u64;
            if live > 0 {
                watched.push(Watched::Batch(owner, *base));
            }
            unfinished += live;
        }
        let ended_badly = account.failed.within(first, count as u64).next().map(|(id, _)| id);
        let failures: u64 = account.failed.within(first, count as u64).map(|(_, count)| count).sum();
        let ended_well = count as u64 - failures - unfinished;
        let wanted = match after.on {
            AfterEnd::Success => ended_well,
            AfterEnd::Failure => failures,
            AfterEnd::Any => ended_well + failures,
        };
        let unwanted = ended_well + failures - wanted;
        match () {
            () if after.any && wanted > 0 => Verdict::Over,
            () if !after.any && unwanted > 0 => Verdict::Never(refusal(after.on, ended_badly)),
            () if !watched.is_empty() => Verdict::Open(watched),
            () if after.any && count > 0 => Verdict::Never(refusal(after.on, ended_badly)),
            () => Verdict::Over,
        }
    }

    /// How a wait for a submission stands.
    fn submission_stands(&self, id: SubmissionId, on: AfterEnd) -> Verdict {
        let account = self.accounts.get(&Owner::Submission(id));
        let (Some(submission), Some(account)) = (self.submissions.get(id), account) else {
            return Verdict::Never(format!(
                "this was to run after submission {id}, which is not there (any more)"
            ));
        };
        if self.submissions.is_open(id) || !account.batches.is_empty() {
            return Verdict::Open(vec![Watched::Submission(id)]);
        }
        match (on, submission.store.failed) {
            (AfterEnd::Success, failed) if failed > 0 => Verdict::Never(format!(
                "this was to run after the success of submission {id}, of whose tasks {failed} failed"
            )),
            (AfterEnd::Failure, 0) => Verdict::Never(format!(
                "this was to run after a failure of submission {id}, which ended well"
            )),
            _ => Verdict::Over,
        }
    }
}

/// Why a wait for tasks can never be over.
fn refusal(on: AfterEnd, failed: Option<TaskId>) -> String {
    match (on, failed) {
        (AfterEnd::Success, Some(id)) => {
            format!("this was to run after the success of task {id}, which failed")
        }
        (AfterEnd::Failure, _) => "this was to run after the failure of a task that ended well".to_owned(),
        _ => "what this was to run after did not end as asked".to_owned(),
    }
}
