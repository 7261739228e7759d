//! Submissions: tasks that outlive the client that submitted them, and results that wait until they are forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::Controller;
use super::accounts::{Account, Owner};
use super::batch::Place;
use super::io::Effect;
use super::limits::{SUBMISSION_NAME_LIMIT, SUBMISSIONS_LIMIT};
use super::store::{Kept, Store};
use crate::id::{LinkId, SubmissionId, TaskId};
use crate::wire::{Batch, Message, Opened, Transfer};

/// One submission.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) name: String,
    pub(super) opened_micros: u64,
    /// The client that still adds tasks.
    pub(super) filler: Option<LinkId>,
    readers: BTreeSet<LinkId>,
    /// Whether a client has let go of results of it: one that has none stays until then.
    let_go: bool,
    pub(super) store: Store,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Submissions {
    all: BTreeMap<SubmissionId, Submission>,
    last: u64,
    /// What all results that are kept take.
    pub(super) kept_bytes: u64,
    /// Nothing more is dispatched, for there is too much of it.
    pub(super) paused: bool,
}

impl Submissions {
    pub(super) fn get(&self, id: SubmissionId) -> Option<&Submission> {
        self.all.get(&id)
    }

    /// Whether more tasks may come.
    pub(super) fn is_open(&self, id: SubmissionId) -> bool {
        self.all.get(&id).is_some_and(|submission| submission.filler.is_some())
    }

    /// Whether this is the client that adds tasks to it.
    pub(super) fn is_filled_by(&self, id: SubmissionId, link: LinkId) -> bool {
        self.all.get(&id).is_some_and(|submission| submission.filler == Some(link))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SubmissionId, &Submission)> {
        self.all.iter().map(|(id, submission)| (*id, submission))
    }
}

impl Controller {
    /// Whose tasks a client's messages are about.
    pub(super) fn owner(&self, link: LinkId) -> Owner {
        self.clients
            .get(&link)
            .and_then(|client| client.submission)
            .map_or(Owner::Link(link), Owner::Submission)
    }

    /// A client's next tasks are to outlive it.
    pub(super) fn open(
        &mut self,
        link: LinkId,
        mut name: String,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.speaks_for_itself(link)?;
        if self.submissions.all.len() >= SUBMISSIONS_LIMIT {
            return Err(format!(
                "{SUBMISSIONS_LIMIT} submissions are kept, which is the most: `rpar results ID --forget` lets go of one"
            ));
        }
        while name.len() > SUBMISSION_NAME_LIMIT {
            name.pop();
        }
        self.submissions.last += 1;
        let id = SubmissionId(self.submissions.last);
        let submission = Submission {
            name,
            opened_micros: self.config.epoch_micros.saturating_add(self.now.0),
            filler: Some(link),
            readers: BTreeSet::new(),
            let_go: false,
            store: Store::default(),
        };
        self.submissions.all.insert(id, submission);
        let owner = Owner::Submission(id);
        let mut account = Account::new(self.config.submit_window_bytes);
        if let Some(own) = self.accounts.get_mut(&Owner::Link(link)) {
            // what it has defined, it has defined for these tasks
            account.functions = std::mem::take(&mut own.functions);
            account.function_bytes = std::mem::take(&mut own.function_bytes);
        }
        self.accounts.insert(owner, account);
        if self.submissions.paused {
            self.ready.mute(owner, true);
        }
        if let Some(client) = self.clients.get_mut(&link) {
            client.submission = Some(id);
        }
        self.tell_opened(id, Some(link), effects);
        Ok(())
    }

    /// A client's link is for a submission from here on, and maybe for its results.
    pub(super) fn read(
        &mut self,
        link: LinkId,
        id: SubmissionId,
        results: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        if self.clients.get(&link).is_some_and(|client| client.submission != Some(id)) {
            self.speaks_for_itself(link)?;
        }
        let submission = self.submissions.all.get_mut(&id);
        let submission = submission.ok_or_else(|| format!("there is no submission {id}"))?;
        let Some(client) = self.clients.get_mut(&link) else { return Ok(()) };
        client.submission = Some(id);
        if results && submission.readers.insert(link) {
            submission.store.iter().for_each(|kept| client.offer(kept));
        }
        self.tell_opened(id, Some(link), effects);
        self.flush(link, effects);
        Ok(())
    }

    /// A link can be for a submission only while nothing was submitted on it for its own.
    fn speaks_for_itself(&self, link: LinkId) -> Result<(), String> {
        let own = self.accounts.get(&Owner::Link(link)).is_none_or(|account| account.next > 0);
        match self.owner(link) {
            Owner::Link(_) if !own => Ok(()),
            _ => Err("a link is for one submission, and for nothing else".to_owned()),
        }
    }

    /// No more tasks come.
    pub(super) fn close(&mut self, link: LinkId, effects: &mut Vec<Effect>) -> Result<(), String> {
        let Owner::Submission(id) = self.owner(link) else { return Err("no submission is open".to_owned()) };
        if let Some(submission) = self.submissions.all.get_mut(&id)
            && submission.filler == Some(link)
        {
            submission.filler = None;
        }
        self.waits.submission_ended(id);
        self.board.version += 1;
        self.tell_opened(id, Some(link), effects);
        Ok(())
    }

    /// The link of a client that filled or read a submission is gone.
    pub(super) fn leave_submission(&mut self, link: LinkId, id: SubmissionId, effects: &mut Vec<Effect>) {
        let Some(submission) = self.submissions.all.get_mut(&id) else { return };
        submission.readers.remove(&link);
        if submission.filler == Some(link) {
            submission.filler = None;
            self.waits.submission_ended(id);
            let tasks = self.accounts.get(&Owner::Submission(id)).map_or(0, |account| account.next);
            let text = format!(
                "the client of submission {id} left before it had closed it: {tasks} of its tasks are there"
            );
            self.problem(&text, effects);
            self.tell_opened(id, None, effects);
        }
        self.remove_over(id, effects);
    }

    /// Whether a client may add these tasks to a submission.
    pub(super) fn check_filled(&self, link: LinkId, id: SubmissionId, batch: &Batch) -> Result<(), String> {
        if !self.submissions.is_filled_by(id, link) {
            return Err(format!("submission {id} is closed"));
        }
        match batch.bulk.first() {
            Some(_) => Err("a long argument cannot be part of a submission: its client may leave".to_owned()),
            None => Ok(()),
        }
    }

    /// Tells a submission's readers, and `also`, how far it is.
    pub(super) fn tell_opened(&mut self, id: SubmissionId, also: Option<LinkId>, effects: &mut Vec<Effect>) {
        let Some(submission) = self.submissions.all.get(&id) else { return };
        let opened = Opened {
            submission: id,
            opened_micros: submission.opened_micros,
            tasks: self.accounts.get(&Owner::Submission(id)).map_or(0, |account| account.next),
            forgotten: submission.store.forgotten,
            open: submission.filler.is_some(),
        };
        let readers = submission.readers.iter().copied().filter(|link| Some(*link) != also);
        effects
            .extend(readers.chain(also).map(|link| Effect::Send { link, message: Message::Opened(opened) }));
    }

    /// Keeps results of a submission, and passes them on to who reads it.
    pub(super) fn store(&mut self, id: SubmissionId, kept: Kept, effects: &mut Vec<Effect>) {
        let Some(submission) = self.submissions.all.get_mut(&id) else { return };
        for link in &submission.readers {
            if let Some(client) = self.clients.get_mut(link) {
                client.offer(&kept);
            }
        }
        let to_flush: Vec<LinkId> = submission.readers.iter().copied().chain(submission.filler).collect();
        let closed = submission.filler.is_none();
        self.submissions.kept_bytes += submission.store.push(kept);
        for link in to_flush {
            self.flush(link, effects);
        }
        self.balance(effects);
        let ended =
            self.accounts.get(&Owner::Submission(id)).is_some_and(|account| account.batches.is_empty());
        if closed && ended {
            // whoever waits for its end asks for a newer status
            self.board.version += 1;
            self.waits.submission_ended(id);
        }
    }

    /// Results up to a task are not needed any more.
    pub(super) fn forget(
        &mut self,
        link: LinkId,
        upto: TaskId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Owner::Submission(id) = self.owner(link) else { return Err("no submission is read".to_owned()) };
        let live =
            self.accounts.get(&Owner::Submission(id)).and_then(|account| account.batches.first_key_value());
        let first_live = live.and_then(|(base, first)| {
            let batch = self.tasks.batch(*first)?;
            let live = batch.positions(0, batch.count).find(|at| batch.at(*at).place != Place::Ended)?;
            Some(base + batch.index(live) as u64)
        });
        let tasks = self.accounts.get(&Owner::Submission(id)).map_or(0, |account| account.next);
        let held = self.disk.held(id).flat_map(|kept| kept.outcomes.runs.iter()).map(|(first, _)| first.0);
        let upto = upto.0.min(first_live.unwrap_or(tasks)).min(held.min().unwrap_or(tasks));
        if let Some(submission) = self.submissions.all.get_mut(&id) {
            submission.let_go = true;
            self.submissions.kept_bytes -= submission.store.forget(TaskId(upto));
            let forgotten = submission.store.forgotten;
            self.discard_before(id, forgotten, effects);
        }
        self.balance(effects);
        self.pull_results(effects);
        self.remove_over(id, effects);
        Ok(())
    }

    /// Lets go of a submission that is closed, has ended and is forgotten.
    fn remove_over(&mut self, id: SubmissionId, effects: &mut Vec<Effect>) {
        let Some(submission) = self.submissions.all.get(&id) else { return };
        let owner = Owner::Submission(id);
        let Some(account) = self.accounts.get(&owner) else { return };
        let over = account.batches.is_empty() && submission.store.forgotten.0 >= account.next;
        if over && submission.let_go && submission.filler.is_none() && submission.readers.is_empty() {
            self.submissions.all.remove(&id);
            self.forget_owner(owner, effects);
            self.waits.submission_ended(id);
            self.board.version += 1;
        }
    }

    /// Holds submissions back while too much of their results is kept.
    pub(super) fn balance(&mut self, effects: &mut Vec<Effect>) {
        let (kept, ceiling) = (self.submissions.kept_bytes, self.config.result_bytes);
        let paused = if self.submissions.paused { kept > ceiling / 2 } else { kept > ceiling };
        if paused == self.submissions.paused {
            return;
        }
        self.submissions.paused = paused;
        for id in self.submissions.all.keys() {
            self.ready.mute(Owner::Submission(*id), paused);
        }
        if paused {
            self.problem(
                &format!(
                    "submissions wait: {kept} bytes of their results are kept, more than the {ceiling} of `[controller] \
                     result_bytes`; `rpar results ID --forget` prints results and lets go of them"
                ),
                effects,
            );
        } else {
            self.board.version += 1;
            self.engines.heat();
        }
    }

    /// Sends part of a long result that is kept, to who reads it.
    pub(super) fn grant_kept(
        &mut self,
        link: LinkId,
        transfer: Transfer,
        upto: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(client) = self.clients.get_mut(&link) else { return };
        let sent =
            client.offers.grant(transfer, upto, |message| effects.push(Effect::Send { link, message }));
        if sent || upto == 0 {
            client.offers.forget(transfer);
        }
    }
}
