//! Which tasks failed, and how.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::task::End;
use crate::cluster::plural;
use crate::command::input::Record;

/// More than this nobody reads; --json tells of each.
const SHOWN: usize = 20;

/// An argument is shown up to this many characters.
const ARGUMENT_CHARACTERS: usize = 60;

/// What shells end with when there is no such command.
const NOT_FOUND: i32 = 127;

/// What to do then: a batch system starts engines without the user's environment.
const NOT_FOUND_HINT: &str = "exit status 127 means that a command was not found there: --env PATH passes on the PATH that you have here";

/// Counts tasks, and keeps what the first failures have to say.
#[derive(Debug, Default)]
pub(super) struct Summary {
    ended: u64,
    failed: u64,
    /// How long all of them ran, one after the other.
    serial: Duration,
    /// Whether a command was not found.
    not_found: bool,
    lines: Vec<Line>,
}

/// One failure, and those after it that are told in the same words.
#[derive(Debug)]
struct Line {
    text: String,
    message: Option<String>,
    alike: u64,
}

impl Line {
    fn render(&self) -> String {
        let Line { text, alike, .. } = self;
        if *alike == 0 {
            format!("{text}\n")
        } else {
            format!("{text}\n  and {alike} after it for the same reason\n")
        }
    }
}

impl Summary {
    /// Takes the end of a task.
    pub(super) fn add(&mut self, record: &Record, end: &End) {
        self.ended += 1;
        self.serial += end.ran;
        if end.ok() {
            return;
        }
        self.failed += 1;
        self.not_found |= end.command.exit == Some(NOT_FOUND);
        // what was not the command's own doing, such as the end of all engines, befalls many alike
        if let (Some(last), Some(message)) = (self.lines.last_mut(), &end.message)
            && last.message.as_ref() == Some(message)
        {
            last.alike += 1;
        } else if self.lines.len() < SHOWN {
            let words = end.last_words().map(|words| format!(": {words}")).unwrap_or_default();
            let text = format!("  {}  {}  {}{words}", record.number, shown(&record.whole()), end.problem());
            self.lines.push(Line { text, message: end.message.clone(), alike: 0 });
        }
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// The last line of all, for programs; `wall` is the time from the first submission to the last end.
    pub(super) fn document(&self, wall: Duration) -> Value {
        let (serial, wall) = (self.serial.as_secs_f64(), wall.as_secs_f64());
        let speedup = (wall > 0.0).then(|| serial / wall);
        json!({
            "summary": {
                "tasks": self.ended,
                "failed": self.failed,
                "serial_seconds": serial,
                "wall_seconds": wall,
                "speedup": speedup,
            }
        })
    }

    /// What to tell of failures; empty when all went well.
    pub(super) fn text(&self, known: Option<u64>) -> String {
        if self.failed == 0 {
            return String::new();
        }
        let total = known.unwrap_or(self.ended).max(self.ended);
        let mut text = format!("{} of {} failed:\n", self.failed, plural(total, "task"));
        text.extend(self.lines.iter().map(Line::render));
        let more = self.failed - self.lines.iter().map(|line| 1 + line.alike).sum::<u64>();
        if more > 0 {
            text += &format!("  and {more} more\n");
        }
        if self.not_found {
            text += &format!("  hint: {NOT_FOUND_HINT}\n");
        }
        text
    }
}

/// An argument in quotes, with what a terminal would take for commands made visible.
fn shown(argument: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(argument).escape_debug().collect();
    match text.char_indices().nth(ARGUMENT_CHARACTERS) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rpar_core::task::{CommandOutcome, TaskStatus};

    fn record(number: u64, argument: &[u8]) -> Record {
        Record { number, arguments: vec![Bytes::copy_from_slice(argument)], alike: 0 }
    }

    #[test]
    fn failures_are_told_and_counted() {
        let mut summary = Summary::default();
        let ok = End { status: Some(TaskStatus::Ok), ..End::default() };
        summary.add(&record(1, b"a"), &ok);
        assert_eq!(summary.text(Some(3)), "");
        let command = CommandOutcome { exit: Some(2), stderr: "no such file\n".into(), ..Default::default() };
        let failed = End { status: Some(TaskStatus::Failed), command, ..End::default() };
        summary.add(&record(2, b"b\x1b[2J"), &failed);
        let text = "1 of 3 tasks failed:\n  2  'b\\u{1b}[2J'  exit status 2: no such file\n";
        assert_eq!(summary.text(Some(3)), text);
        (0..30).for_each(|number| summary.add(&record(number, &[b'x'; 100]), &failed));
        assert!(summary.text(None).ends_with("  and 11 more\n"));
        assert_eq!(summary.failed, 31);
    }

    #[test]
    fn a_command_that_is_not_there_comes_with_a_hint() {
        let mut summary = Summary::default();
        let command = CommandOutcome { exit: Some(NOT_FOUND), ..Default::default() };
        summary.add(&record(1, b"a"), &End { status: Some(TaskStatus::Failed), command, ..End::default() });
        let text = format!("1 of 1 task failed:\n  1  'a'  exit status 127\n  hint: {NOT_FOUND_HINT}\n");
        assert_eq!(summary.text(None), text);
    }

    #[test]
    fn what_befalls_many_is_told_once() {
        let mut summary = Summary::default();
        let (status, message) = (Some(TaskStatus::Lost), Some("there is no engine".to_owned()));
        let lost = End { status, message, ..End::default() };
        (1..=40).for_each(|number| summary.add(&record(number, b"x"), &lost));
        let text =
            "40 of 40 tasks failed:\n  1  'x'  there is no engine\n  and 39 after it for the same reason\n";
        assert_eq!(summary.text(Some(40)), text);
    }
}
