//! What a site has taught: how `qstat` is to be asked, and which jobs cannot be reached.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rpar_core::id::AllocationId;
use rpar_core::runner::Answer;

use super::json;

/// How to ask. At first everything is believed to be there: history, JSON, and `-E`.
#[derive(Debug, Default)]
pub(super) struct Way {
    without_history: AtomicBool,
    without_json: AtomicBool,
    /// `qstat` knows no `-E`.
    without_express: AtomicBool,
    /// `qsub` is of before 2018, or a site's own around it: it knows no `-f`, or no `-k oed`.
    old_qsub: AtomicBool,
    /// Jobs that could not be cancelled because their node does not answer.
    unreachable: Mutex<BTreeSet<AllocationId>>,
}

impl Way {
    /// The options of `qstat`: all attributes; with history, jobs that have finished too. With `-E` it asks of all ids at
    /// once. Without, it connects to the server for each, by a reserved port that stays taken for a minute: 512 of them
    /// are soon gone; and as JSON OpenPBS 23.06 then tells of the first id alone.
    pub(super) fn options(&self, ids: usize) -> Vec<&'static str> {
        let express = !self.without_express.load(Relaxed);
        let json = !self.without_json.load(Relaxed) && (express || ids == 1);
        let history = !self.without_history.load(Relaxed);
        let parts: [(bool, &[&str]); 4] =
            [(express, &["-E"]), (history, &["-x"]), (true, &["-f"]), (json, &["-F", "json"])];
        parts.iter().filter(|(used, _)| *used).flat_map(|(_, options)| options.iter().copied()).collect()
    }

    /// Whether the answer shows that the question was wrong for this site: then it is put otherwise from now on.
    pub(super) fn learns(&self, answer: &Answer) -> bool {
        let refused = answer.exit == Some(2) && answer.stdout.trim().is_empty();
        let names =
            |letter: char| ["'", ""].iter().any(|q| answer.stderr.contains(&format!("-- {q}{letter}{q}\n")));
        if refused && (names('E') || !names('F')) && !self.without_express.swap(true, Relaxed) {
            return true;
        }
        let without_json = !self.without_json.load(Relaxed) && {
            // older ones do not know -F; some sites' JSON is none
            refused || answer.stdout.trim_start().starts_with('{') && json::read(&answer.stdout).is_none()
        };
        if without_json {
            self.without_json.store(true, Relaxed);
        }
        let off = answer.stderr.contains("not configured to maintain job history");
        let on = answer.stderr.contains("use -x or -H to obtain historical job information");
        let without = self.without_history.load(Relaxed);
        if off && !without || on && without {
            self.without_history.store(!without, Relaxed);
            return true;
        }
        without_json
    }

    /// Whether `qsub` is to be given only what it has always known.
    pub(super) fn is_old(&self) -> bool {
        self.old_qsub.load(Relaxed)
    }

    /// How it is called.
    pub(super) fn qsub(&self) -> &'static [&'static str] {
        if self.is_old() { &["qsub"] } else { &["qsub", "-f"] }
    }

    /// Whether `qsub` has refused an option that can be done without: from now on it is.
    pub(super) fn learns_from_qsub(&self, answer: &Answer) -> bool {
        let output = answer.output();
        let option = ["option -- 'f'", "option -- f", "unrecognized arguments: -f", "illegal -k value"];
        let refused = answer.exit != Some(0) && option.iter().any(|told| output.contains(told));
        refused && !self.old_qsub.swap(true, Relaxed)
    }

    /// Remembers the jobs that a failed `qdel` names.
    pub(super) fn note_unreachable(&self, stderr: &str) {
        let ids = stderr.lines().filter_map(|line| line.split_once(super::rules::UNREACHABLE));
        let ids = ids.map(|(_, id)| AllocationId::from(id.trim())).filter(|id| !id.0.is_empty());
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    pub(super) fn is_unreachable(&self, id: &AllocationId) -> bool {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}
