//! What is known of submissions and their tasks, for people.

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::io::Effect;
use super::limits::LIST_LIMIT;
use crate::id::{LinkId, SubmissionId, TaskId};
use crate::wire::{Message, SubmissionStatus, TaskPage, TaskRecord, TaskState};

impl Controller {
    /// All submissions, for the status.
    pub(super) fn submission_status(&self) -> Vec<SubmissionStatus> {
        let status = self.submissions.iter().map(|(id, submission)| {
            let owner = Owner::Submission(id);
            let tasks = self.accounts.get(&owner).map_or(0, |account| account.next);
            let ended = submission.store.succeeded + submission.store.failed;
            let queued = (self.ready.queued(owner) + self.waits.of(owner)).min(tasks - ended);
            SubmissionStatus {
                id,
                name: submission.name.clone(),
                opened_micros: submission.opened_micros,
                tasks,
                queued,
                assigned: tasks - ended - queued,
                succeeded: submission.store.succeeded,
                failed: submission.store.failed,
                forgotten: submission.store.forgotten.0,
                kept_bytes: submission.store.bytes,
                open: submission.filler.is_some(),
            }
        });
        status.collect()
    }

    /// Answers what is known of a submission's tasks.
    pub(super) fn list(
        &self,
        link: LinkId,
        question: u32,
        id: SubmissionId,
        from: TaskId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let submission = self.submissions.get(id).ok_or_else(|| format!("there is no submission {id}"))?;
        let account = self.accounts.get(&Owner::Submission(id)).ok_or("it has no account")?;
        let from = from.max(submission.store.forgotten).0;
        let to = from.saturating_add(LIST_LIMIT).min(account.next);
        let tasks = self.records(id, from, to);
        let next = (to < account.next).then_some(TaskId(to));
        effects.push(Effect::Send {
            link,
            message: Message::Listed { question, page: TaskPage { tasks, next } },
        });
        Ok(())
    }

    /// What is known of one task, if it is.
    pub(super) fn record(&self, id: SubmissionId, task: TaskId) -> Option<TaskRecord> {
        self.records(id, task.0, task.0.checked_add(1)?).pop()
    }

    /// What is known of a submission's tasks in `from..to`.
    fn records(&self, id: SubmissionId, from: u64, to: u64) -> Vec<TaskRecord> {
        let account = self.accounts.get(&Owner::Submission(id));
        let (Some(submission), Some(account)) = (self.submissions.get(id), account) else {
            return Vec::new();
        };
        let mut tasks = submission.store.records(from, to);
        let ended = tasks.len();
        // their engines are done with them, and their users are not
        self.disk.held(id).for_each(|kept| kept.records(from, to, &mut tasks));
        tasks[ended..].iter_mut().for_each(|task| task.state = TaskState::Assigned);
        let before = account.batches.range(..from).next_back();
        for (base, first) in before.into_iter().chain(account.batches.range(from..to.max(from))) {
            let Some(batch) = self.tasks.batch(*first) else { continue };
            let (start, end) =
                (from.saturating_sub(*base) as u32, to.saturating_sub(*base).min(batch.count as u64));
            for position in batch.positions(start, end as u32) {
                let slot = batch.at(position);
                let state = match slot.place {
                    Place::Waiting | Place::Queued => TaskState::Queued,
                    Place::Assigned | Place::Relayed => TaskState::Assigned,
                    Place::Ended => continue,
                };
                let engine = (state == TaskState::Assigned).then_some(slot.engine);
                let host = engine.and_then(|id| self.hosts.get(&self.engines.get(id)?.host));
                tasks.push(TaskRecord {
                    id: batch.client_id(batch.index(position)),
                    state,
                    attempts: slot.attempt,
                    engine,
                    node: host.map(|host| host.node.to_string()),
                    ..TaskRecord::default()
                });
            }
        }
        tasks.sort_unstable_by_key(|task| task.id);
        tasks
    }
}
