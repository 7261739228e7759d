//! What happened, in lines; written only when somebody wants to read it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use rpar_core::time::Timestamp;

#[derive(Debug)]
pub(super) enum Trace {
    Silent,
    Kept { lines: Lines, limit: usize },
    Printed,
}

/// The last lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Rc<RefCell<VecDeque<String>>>);

impl Lines {
    pub(super) fn text(&self) -> String {
        self.0.borrow().iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Trace {
    pub(super) fn silent() -> Self {
        Trace::Silent
    }

    pub(super) fn printed() -> Self {
        Trace::Printed
    }

    pub(super) fn kept(limit: usize) -> (Self, Lines) {
        let lines = Lines::default();
        (Trace::Kept { lines: lines.clone(), limit }, lines)
    }

    pub(super) fn line(&self, now: Timestamp, text: impl FnOnce() -> String) {
        if matches!(self, Trace::Silent) {
            return;
        }
        let line = format!("{:>12.6} {}", now.0 as f64 / 1e6, text());
        match self {
            Trace::Silent => {}
            Trace::Kept { lines, limit } => {
                let mut lines = lines.0.borrow_mut();
                if lines.len() == *limit {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
            #[expect(clippy::print_stderr, reason = "a replay is there to be read")]
            Trace::Printed => eprintln!("{line}"),
        }
    }
}
