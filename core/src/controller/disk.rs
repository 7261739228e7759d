//! What the tasks of submissions write, on its way to files: no client need be there. Their results wait until all of it
//! is written.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Controller;
use super::accounts::Owner;
use super::io::Effect;
use super::limits::COPY_LIMIT_BYTES;
use super::store::Kept;
use crate::id::{EngineId, SubmissionId, TaskId};
use crate::task::{Failure, TaskStatus};
use crate::wire::{BatchCutter, Outcomes, Output, Runs};

/// What is being written, and what was.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// What the shell was given and has not written yet, in order. The windows of the engines bound it.
    pieces: VecDeque<Piece>,
    /// How many pieces the shell was ever given.
    given: u64,
    /// The tasks that have files.
    files: BTreeMap<(SubmissionId, TaskId), Files>,
    /// Results of tasks some of whose pieces are not written, each with the number of the last of all pieces before it.
    held: VecDeque<(u64, SubmissionId, Kept)>,
    /// The submission of which was told last that its files cannot be written: once for all of its tasks.
    told: Option<SubmissionId>,
}

/// A part of what a task wrote.
#[derive(Debug)]
struct Piece {
    engine: EngineId,
    cost: u64,
    task: (SubmissionId, TaskId),
}

/// The files of a task.
#[derive(Debug, Default)]
struct Files {
    /// Which try at it has written them.
    attempt: u16,
    /// How many pieces are not written yet.
    unwritten: u32,
    /// Why they could not be written.
    lost: Option<String>,
}

impl Disk {
    /// What was given to the shell and is not written: engines and costs.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (EngineId, u64)> {
        self.pieces.iter().map(|piece| (piece.engine, piece.cost))
    }

    /// The results of a submission that wait.
    pub(super) fn held(&self, id: SubmissionId) -> impl Iterator<Item = &Kept> {
        self.held.iter().filter(move |(_, of, _)| *of == id).map(|(_, _, kept)| kept)
    }

    /// What all results that wait take, counted anew.
    pub(super) fn check(&self) -> u64 {
        let mut unwritten = BTreeMap::<_, u32>::new();
        self.pieces.iter().for_each(|piece| *unwritten.entry(piece.task).or_default() += 1);
        for (task, files) in &self.files {
            let pieces = unwritten.remove(task).unwrap_or_default();
            assert_eq!(files.unwritten, pieces, "what task {task:?} wrote is counted wrongly");
        }
        assert!(unwritten.is_empty(), "something is written of tasks that have no files: {unwritten:?}");
        assert!(self.held.is_empty() || !self.pieces.is_empty(), "results wait for nothing");
        self.held.iter().map(|(_, _, kept)| kept.bytes()).sum()
    }

    /// Whether something that one of these tasks wrote is not written yet.
    fn is_behind(&self, id: SubmissionId, kept: &Kept) -> bool {
        let mut runs = kept.outcomes.runs.iter();
        !self.pieces.is_empty() && runs.any(|run| self.of(id, run).any(|(_, files)| files.unwritten > 0))
    }

    /// Those of a run of tasks that have files.
    fn of(
        &self,
        id: SubmissionId,
        (first, count): (TaskId, u32),
    ) -> impl Iterator<Item = (&(SubmissionId, TaskId), &Files)> {
        let end = TaskId(first.0.saturating_add(count as u64));
        self.files.range((id, first)..(id, end))
    }
}

impl Controller {
    /// Has written what a task of a submission wrote, which has that submission's number for it. Its engine gets its room
    /// back once that is done.
    pub(super) fn write(
        &mut self,
        id: SubmissionId,
        attempt: u16,
        output: Output,
        effects: &mut Vec<Effect>,
    ) {
        let (engine, cost, task) = (output.engine, output.cost(), output.task);
        let Output { stream, mut data, .. } = output;
        let files = self.disk.files.entry((id, task)).or_default();
        if files.lost.is_some() {
            self.output_left(engine, cost, effects);
            return;
        }
        let begins = files.attempt != attempt;
        files.attempt = attempt;
        files.unwritten += 1;
        if data.len() < COPY_LIMIT_BYTES {
            // a few bytes that wait do not keep all alive that came with them
            data = Bytes::copy_from_slice(&data);
        }
        self.disk.pieces.push_back(Piece { engine, cost, task: (id, task) });
        self.disk.given += 1;
        effects.push(Effect::Write { submission: id, task, stream, begins, data });
    }

    /// Takes note of what became of the oldest pieces.
    pub(super) fn written(&mut self, answers: Vec<Result<(), String>>, effects: &mut Vec<Effect>) {
        for answer in answers {
            let Some(Piece { engine, cost, task }) = self.disk.pieces.pop_front() else { break };
            if let Some(files) = self.disk.files.get_mut(&task) {
                files.unwritten -= 1;
            }
            self.output_left(engine, cost, effects);
            if let Err(reason) = answer {
                self.not_written(task, reason, effects);
            }
        }
        let done = self.disk.given - self.disk.pieces.len() as u64;
        while let Some((_, id, kept)) = self.disk.held.pop_front_if(|(after, ..)| *after <= done) {
            self.submissions.kept_bytes -= kept.bytes();
            let kept = self.settle(id, kept, effects);
            self.store(id, kept, effects);
        }
    }

    /// A task whose output cannot be kept is ended: its result would be less than it seems.
    fn not_written(&mut self, task: (SubmissionId, TaskId), reason: String, effects: &mut Vec<Effect>) {
        let Some(files) = self.disk.files.get_mut(&task).filter(|files| files.lost.is_none()) else { return };
        let (id, number) = (task.0, task.1.0 + 1);
        let text = format!(
            "what task {number} of submission {id} wrote could not be kept, and it is ended: {reason}; others of its tasks may \
             follow"
        );
        files.lost = Some(reason);
        // others can do with the space
        effects.push(Effect::Discard { submission: id, tasks: vec![task.1] });
        if self.disk.told.replace(id) != Some(id) {
            self.problem(&text, effects);
        }
        self.cancel(Owner::Submission(id), &Runs::one(task.1, 1), true, effects);
    }

    /// Keeps results of a submission, once all that their tasks wrote is in files.
    pub(super) fn keep(
        &mut self,
        id: SubmissionId,
        outcomes: Outcomes,
        bulk: Vec<Bytes>,
        effects: &mut Vec<Effect>,
    ) {
        let kept = Kept { outcomes, bulk };
        if self.disk.is_behind(id, &kept) {
            self.submissions.kept_bytes += kept.bytes();
            self.disk.held.push_back((self.disk.given, id, kept));
            self.balance(effects);
            return;
        }
        let kept = self.settle(id, kept, effects);
        self.store(id, kept, effects);
    }

    /// Removes the files that no result is about, and has results tell of files that could not be written.
    fn settle(&mut self, id: SubmissionId, kept: Kept, effects: &mut Vec<Effect>) -> Kept {
        if self.disk.files.is_empty()
            || kept.outcomes.runs.iter().all(|run| self.disk.of(id, run).next().is_none())
        {
            return kept;
        }
        let (mut needless, mut failures) = (Vec::new(), BTreeMap::new());
        for (at, task) in kept.outcomes.runs.ids().enumerate() {
            let Some(files) = self.disk.files.get(&(id, task)) else { continue };
            let code = kept.outcomes.codes.get(at).copied().unwrap_or(TaskStatus::Ok as u8);
            let attempt = kept.outcomes.attempts.get(at).copied().unwrap_or(1) as u16;
            if let Some(reason) = &files.lost {
                let why = format!(
                    "what it wrote could not be kept: {reason}; once that is put right, submit it again"
                );
                failures.insert(at, Failure::new(why).encode());
                if code == TaskStatus::Ok as u8 {
                    self.board.succeeded -= 1;
                    self.board.failed += 1;
                    if let Some(account) = self.accounts.get_mut(&Owner::Submission(id)) {
                        account.note_failed(task, 1);
                    }
                }
                self.disk.files.remove(&(id, task));
            } else if code == TaskStatus::Cancelled as u8 || attempt != files.attempt.min(u8::MAX as u16) {
                needless.push(task);
                self.disk.files.remove(&(id, task));
            }
        }
        if !needless.is_empty() {
            effects.push(Effect::Discard { submission: id, tasks: needless });
        }
        if failures.is_empty() { kept } else { failed(kept, failures) }
    }

    /// Removes the files of all tasks before one.
    pub(super) fn discard_before(&mut self, id: SubmissionId, upto: TaskId, effects: &mut Vec<Effect>) {
        let tasks: Vec<TaskId> =
            self.disk.files.range((id, TaskId(0))..(id, upto)).map(|((_, task), _)| *task).collect();
        if !tasks.is_empty() {
            tasks.iter().for_each(|task| _ = self.disk.files.remove(&(id, *task)));
            effects.push(Effect::Discard { submission: id, tasks });
        }
    }
}

/// Results some of which are failures, by their places. A long one comes alone: it gives way.
fn failed(kept: Kept, mut failures: BTreeMap<usize, Bytes>) -> Kept {
    let Kept { mut outcomes, .. } = kept;
    let code = |at: usize| outcomes.codes.get(at).copied().unwrap_or(TaskStatus::Ok as u8);
    let new = |at| if failures.contains_key(&at) { TaskStatus::Failed as u8 } else { code(at) };
    outcomes.codes = (0..outcomes.batch.lengths.len()).map(new).collect();
    let mut rest = BatchCutter::new(outcomes.batch);
    let payload = |at| {
        let own = rest.take(1).payload;
        failures.remove(&at).unwrap_or(own)
    };
    outcomes.batch = (0..outcomes.codes.len()).map(payload).collect();
    Kept { outcomes, bulk: Vec::new() }
}
