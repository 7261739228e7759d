//! Why tasks wait, and what became of tasks, engines and allocations: worked out when somebody asks.

use std::collections::BTreeMap;

use super::Controller;
use super::accounts::Owner;
use super::batch::{Batch, Place};
use super::io::Effect;
use super::limits::{WHY_GROUPS_LIMIT, WHY_SUBJECTS_LIMIT};
use super::needs::Needs;
use crate::id::{EngineId, LinkId, SubmissionId, TaskId};
use crate::task::{After, Failure, TaskStatus};
use crate::wire::{
    About, AllocationStatus, BULK, Because, EngineStatus, Group, Message, Reason, Subject, TaskLoss,
    TaskState,
};

impl Controller {
    /// Answers what is known of some subjects.
    pub(super) fn why(
        &self,
        link: LinkId,
        question: u32,
        subjects: &[Subject],
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        if subjects.len() > WHY_SUBJECTS_LIMIT {
            return Err(format!("a question about more than {WHY_SUBJECTS_LIMIT} things"));
        }
        let status = self.status();
        let about =
            subjects.iter().filter_map(|subject| self.about(subject, &status.engines, &status.allocations));
        let about = about.collect();
        let coming =
            status.allocations.into_iter().filter(|one| one.coming && one.engines < one.engines_wanted);
        let because = Because { about, coming: coming.collect() };
        effects
            .push(Effect::Send { link, message: Message::Because { question, because: Box::new(because) } });
        Ok(())
    }

    fn about(
        &self,
        subject: &Subject,
        engines: &[EngineStatus],
        allocations: &[AllocationStatus],
    ) -> Option<About> {
        let allocation = |wanted: &dyn Fn(&AllocationStatus) -> bool| {
            allocations
                .iter()
                .rev()
                .find(|one| wanted(one))
                .map(|one| About::Allocation(Box::new(one.clone())))
        };
        match subject {
            Subject::Waiting => Some(self.about_waiting(None)),
            Subject::Submission(id) => {
                self.submissions.get(*id)?;
                Some(self.about_waiting(Some(*id)))
            }
            Subject::Task(submission, task) => self.about_task(*submission, *task),
            Subject::Engine(id) => match engines.iter().find(|engine| engine.id == *id) {
                Some(status) => Some(self.about_engine(status)),
                None => self.past.find(*id).map(About::Gone),
            },
            Subject::Allocation(id) => {
                // `12` is what people say for `12.login1`
                let short = |known: &str| known.split_once('.').map(|(number, _)| number) == Some(&*id.0);
                allocation(&|one| one.id.as_ref() == Some(id))
                    .or_else(|| allocation(&|one| one.id.as_ref().is_some_and(|known| short(&known.0))))
            }
            Subject::Request(request) => allocation(&|one| one.request == *request),
        }
    }

    fn about_engine(&self, status: &EngineStatus) -> About {
        let engine = self.engines.get(status.id);
        let ends = engine.and_then(|engine| self.hosts.get(&engine.host)).and_then(|host| host.ends);
        let remaining = ends.map(|ends| ends.since(self.now).as_millis() as u64);
        let ending = engine.is_some_and(|engine| engine.ending);
        About::Engine { status: Box::new(status.clone()), remaining_ms: remaining, ending }
    }

    /// Of one submission's tasks, or of all.
    fn about_waiting(&self, submission: Option<SubmissionId>) -> About {
        let is_meant = |owner: Owner| submission.is_none_or(|id| owner == Owner::Submission(id));
        let mut groups: BTreeMap<Reason, u64> = BTreeMap::new();
        for (number, lane) in self.ready.lanes().filter(|(_, lane)| is_meant(lane.owner)) {
            *groups.entry(self.reason(lane.owner, &lane.needs, Some(number))).or_default() += lane.tasks;
        }
        for (owner, after, tasks) in self.waits.iter().filter(|(owner, ..)| is_meant(*owner)) {
            *groups.entry(self.waits_for(owner, after)).or_default() += tasks;
        }
        let mut waiting: Vec<Group> =
            groups.into_iter().map(|(reason, tasks)| Group { tasks, reason }).collect();
        waiting.sort_by_key(|group| std::cmp::Reverse(group.tasks));
        waiting.truncate(WHY_GROUPS_LIMIT);
        let assigned = match submission {
            None => self.tasks.assigned,
            Some(id) => {
                let status = self.submission_status();
                status.iter().find(|one| one.id == id).map_or(0, |one| one.assigned)
            }
        };
        About::Tasks { submission, assigned, waiting }
    }

    fn about_task(&self, id: SubmissionId, task: TaskId) -> Option<About> {
        let owner = Owner::Submission(id);
        let record = Box::new(self.record(id, task)?);
        let (mut reason, mut losses, mut failure) = (None, Vec::new(), None);
        if let Some((batch, index)) = self.batch_of(owner, task) {
            let loss = batch.losses(index).iter().map(|loss| TaskLoss {
                node: loss.node.to_string(),
                allocation: loss.allocation.clone(),
                times: loss.times,
                excused: loss.excused,
            });
            losses = loss.collect();
            let place = batch.slot(index).map(|slot| slot.place);
            reason = match (place, &batch.origin.options.after) {
                (Some(Place::Waiting), Some(after)) => Some(self.waits_for(owner, after)),
                (Some(Place::Queued), _) => Some(self.reason_of(owner, batch, index)),
                _ => None,
            };
        }
        if let TaskState::Ended(status) = record.state
            && status != TaskStatus::Ok
        {
            failure = self.failure(id, task);
        }
        Some(About::Task { submission: id, record, reason, losses, failure })
    }

    fn batch_of(&self, owner: Owner, task: TaskId) -> Option<(&Batch, u32)> {
        let account = self.accounts.get(&owner)?;
        let (base, first) = account.batches.range(..=task.0).next_back()?;
        let batch = self.tasks.batch(*first)?;
        let index = u32::try_from(task.0 - base).ok().filter(|index| *index < batch.count)?;
        Some((batch, index))
    }

    /// Why a task did not end well, as its kept result says.
    fn failure(&self, id: SubmissionId, task: TaskId) -> Option<String> {
        let store = &self.submissions.get(id)?.store;
        store.iter().find_map(|kept| {
            let outcomes = &kept.outcomes;
            let at = outcomes.runs.ids().position(|id| id == task)?;
            let inline = |length: u32| if length == BULK { 0 } else { length as usize };
            let from: usize = outcomes.batch.lengths.iter().take(at).map(inline).sum();
            let to = from + inline(outcomes.batch.lengths.get(at));
            let payload = outcomes.batch.payload.get(from..to)?;
            Failure::decode_with(bytes::Bytes::copy_from_slice(payload))
                .ok()
                .map(|(failure, _)| failure.message)
        })
    }

    fn reason_of(&self, owner: Owner, batch: &Batch, index: u32) -> Reason {
        let lanes = self.ready.lanes().filter(|(_, lane)| lane.owner == owner);
        let holds = |queue: &std::collections::VecDeque<super::ready::Range>| {
            queue.iter().any(|range| range.first == batch.first && (range.from..range.to).contains(&index))
        };
        let lane = lanes.into_iter().find(|(_, lane)| holds(&lane.queue));
        self.reason(owner, &batch.origin.needs, lane.map(|(number, _)| number))
    }

    /// Why queued tasks are not at an engine.
    fn reason(&self, owner: Owner, needs: &Needs, lane: Option<u32>) -> Reason {
        if self.stop.is_some() {
            return Reason::Stopping;
        }
        if self.ready.is_muted(owner) {
            return if matches!(owner, Owner::Submission(_)) { Reason::Paused } else { Reason::Untaken };
        }
        if self.engines.is_empty() {
            return Reason::NoEngine;
        }
        let engines = self.engines_for(needs).into_iter().filter(|id| self.engines.stays(*id)).count() as u64;
        if engines == 0 {
            return Reason::Lacks(self.why_unserved(needs));
        }
        let saved = lane.is_some() && self.hosts.values().any(|host| host.reserved == lane);
        Reason::Busy { engines, saved }
    }

    /// What a wait for other tasks is still for.
    fn waits_for(&self, owner: Owner, after: &After) -> Reason {
        let (mut tasks, mut first) = (0, None);
        let batches = self.accounts.get(&owner).map(|account| &account.batches);
        for (start, count) in &after.tasks {
            let (from, to) = (start.0, start.0.saturating_add(u64::from(*count)));
            let before = batches.and_then(|batches| batches.range(..from).next_back());
            let within = batches.into_iter().flat_map(|batches| batches.range(from..to));
            for (base, number) in before.into_iter().chain(within) {
                let Some(batch) = self.tasks.batch(*number) else { continue };
                let place = |id: u64| id.saturating_sub(*base).min(batch.count.into()) as u32;
                let live = batch.positions(place(from), place(to));
                let mut live = live.filter(|at| batch.at(*at).place != Place::Ended).peekable();
                first = first.or(live.peek().map(|at| batch.client_id(batch.index(*at))));
                tasks += live.count() as u64;
            }
        }
        let live = |id: &&SubmissionId| {
            let account = self.accounts.get(&Owner::Submission(**id));
            self.submissions.is_open(**id) || account.is_some_and(|account| !account.batches.is_empty())
        };
        let submissions = after.submissions.iter().filter(live).copied().collect();
        Reason::Others { tasks, first, submissions }
    }

    /// Takes note of engines that are gone.
    pub(super) fn note_past(
        &mut self,
        engines: &[EngineId],
        place: super::loss::Lost<'_>,
        why: &str,
        again: u64,
    ) {
        let micros = self.config.epoch_micros.saturating_add(self.now.0);
        self.past.note(engines, (place.node, place.allocation), micros, why, again);
    }
}
