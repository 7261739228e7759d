//! `--halt`: when a map ends before all tasks have run, and what its exit status is then.

use std::str::FromStr;

use super::super::task::End;
use crate::command::exit::Exit;

/// The rule, as GNU parallel writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Halt {
    /// Never.
    Never,
    /// Once enough tasks have ended so.
    When {
        /// Kill what runs; else it runs to its end.
        now: bool,
        why: Why,
        limit: Limit,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Fail,
    Success,
    Done,
}

/// How many are enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    Count(u64),
    /// Of all tasks.
    Percent(f64),
}

/// What is accepted, for messages.
const FORMS: &str =
    "never, or now or soon, a comma, fail, success or done, and =N or =N%: now,fail=1 or soon,success=10%";

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected {FORMS}");
        let text = match text {
            "never" | "0" => return Ok(Halt::Never),
            // how GNU parallel's users wrote it before
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            other => other,
        };
        let (when, rule) = if text.ends_with('%') && !text.contains(',') {
            ("soon", format!("fail={text}"))
        } else {
            let (when, rule) = text.split_once(',').ok_or_else(expected)?;
            (when, rule.to_owned())
        };
        let (why, limit) = rule.split_once('=').ok_or_else(expected)?;
        let limit = match limit.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
                Limit::Percent(percent.ok_or_else(expected)?)
            }
            None => Limit::Count(limit.parse().ok().filter(|count| *count > 0).ok_or_else(expected)?),
        };
        let now = match when {
            "now" => true,
            "soon" => false,
            _ => return Err(expected()),
        };
        let why = match why {
            "fail" => Why::Fail,
            "success" => Why::Success,
            "done" => Why::Done,
            _ => return Err(expected()),
        };
        Ok(Halt::When { now, why, limit })
    }
}

/// Counts tasks as they end, and tells when it is time.
#[derive(Debug)]
pub(super) struct Halting {
    rule: Halt,
    failed: u64,
    ended: u64,
    due: Option<Due>,
}

/// It is time to stop.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// The exit status, where it does not count those that fail until all have ended.
    exit: Option<Exit>,
    /// How many tasks there are, if that was known.
    total: Option<u64>,
}

impl Halting {
    pub(super) fn new(rule: Halt) -> Self {
        Halting { rule, failed: 0, ended: 0, due: None }
    }

    /// Takes the end of a task. `total` is how many tasks there are, once that is known: a percentage waits for it.
    pub(super) fn count(&mut self, end: &End, total: Option<u64>) {
        self.ended += 1;
        self.failed += !end.ok() as u64;
        let Halt::When { why, limit, .. } = self.rule else { return };
        let counted = match why {
            Why::Fail if end.ok() => return,
            Why::Success if !end.ok() => return,
            Why::Fail => self.failed,
            Why::Success => self.ended - self.failed,
            Why::Done => self.ended,
        };
        let enough = match limit {
            Limit::Count(count) => counted >= count,
            Limit::Percent(percent) => {
                total.is_some_and(|total| counted as f64 >= total as f64 * percent / 100.0)
            }
        };
        if enough && self.due.is_none() {
            let exit = match (why, limit) {
                (Why::Success, _) => Some(Exit::Ok),
                (_, Limit::Count(1)) => Some(own(end)),
                _ => None,
            };
            self.due = Some(Due { exit, total });
        }
    }

    /// Whether it is time to stop, and if so whether what runs is to be killed.
    pub(super) fn due(&self) -> Option<bool> {
        match self.rule {
            Halt::When { now, .. } if self.due.is_some() => Some(now),
            _ => None,
        }
    }

    /// The exit status of the map, all of whose tasks have ended or were dropped.
    pub(super) fn exit(&self) -> Exit {
        let Some(due) = self.due else { return self.share(Some(self.ended)) };
        due.exit.unwrap_or_else(|| self.share(due.total))
    }

    /// How many failed: of a hundred where the rule is a percentage.
    fn share(&self, total: Option<u64>) -> Exit {
        match (self.rule, total) {
            (Halt::When { limit: Limit::Percent(_), .. }, Some(total)) if total > 0 => {
                Exit::Failed((self.failed * 100).div_ceil(total))
            }
            _ => Exit::Failed(self.failed),
        }
    }
}

/// The exit status of the one task that counts.
fn own(end: &End) -> Exit {
    match (end.command.exit, end.command.signal) {
        (_, Some(signal)) => Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        (Some(code), None) => Exit::Command(code as u8),
        (None, None) => Exit::Failed(!end.ok() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::task::{CommandOutcome, TaskStatus};

    fn end(exit: i32) -> End {
        let status = if exit == 0 { TaskStatus::Ok } else { TaskStatus::Failed };
        let command = CommandOutcome { exit: Some(exit), ..Default::default() };
        End { status: Some(status), command, ..End::default() }
    }

    #[test]
    fn rules_decide_when_and_with_what_status() {
        // rule, exit statuses of the tasks, after how many it is time, exit status of the map
        let cases: [(&str, &[i32], Option<usize>, u8); 16] = [
            ("never", &[0, 3, 4, 0], None, 2),
            ("now,fail=1", &[0, 3, 4, 0], Some(2), 3),
            ("soon,fail=1", &[0, 3, 4, 0], Some(2), 3),
            ("soon,fail=2", &[0, 3, 4, 0], Some(3), 2),
            ("now,fail=50%", &[0, 3, 4, 0], Some(3), 50),
            ("now,fail=51%", &[0, 3, 4, 0], None, 50),
            ("now,success=1", &[0, 3, 4, 0], Some(1), 0),
            ("now,success=2", &[0, 3, 4, 0], Some(4), 0),
            ("soon,success=9", &[0, 3, 4, 0], None, 2),
            ("now,done=1", &[0, 3], Some(1), 0),
            ("now,done=2", &[0, 3, 0], Some(2), 1),
            ("soon,done=50%", &[0, 3, 4, 0], Some(2), 25),
            ("1", &[5, 0], Some(1), 5),
            ("-2", &[5, 0], Some(2), 0),
            ("50%", &[5, 0], Some(1), 50),
            ("0", &[5, 0], None, 1),
        ];
        for (rule, exits, due, code) in cases {
            let mut halting = Halting::new(rule.parse().unwrap());
            let total = Some(exits.len() as u64);
            let stopped = exits.iter().position(|exit| {
                halting.count(&end(*exit), total);
                halting.due().is_some()
            });
            assert_eq!(stopped.map(|index| index + 1), due, "{rule}");
            assert_eq!(halting.exit().code(), code, "{rule}");
        }
        for text in [
            "",
            "now",
            "now,fail",
            "now,fail=",
            "now,fail=0",
            "later,fail=1",
            "now,rain=1",
            "3",
            "now,fail=101%",
        ] {
            assert!(text.parse::<Halt>().unwrap_err().contains("never"), "{text}");
        }
    }

    #[test]
    fn those_count_that_fail_before_the_rule_is_felt() {
        for (rule, code) in
            [("soon,fail=50%", 75), ("now,fail=2", 3), ("soon,done=25%", 75), ("now,done=1", 7)]
        {
            let mut halting = Halting::new(rule.parse().unwrap());
            (0..3).for_each(|_| halting.count(&end(7), Some(4)));
            assert_eq!(halting.exit().code(), code, "{rule}");
        }
    }

    #[test]
    fn a_percentage_waits_until_the_number_of_tasks_is_known() {
        let mut halting = Halting::new("now,fail=1%".parse().unwrap());
        halting.count(&end(1), None);
        assert_eq!(halting.due(), None);
        halting.count(&end(1), Some(100));
        assert_eq!((halting.due(), halting.exit()), (Some(true), Exit::Failed(2)));
        let mut killed = End { command: CommandOutcome { signal: Some(9), ..Default::default() }, ..end(1) };
        killed.command.exit = None;
        assert_eq!(own(&killed), Exit::Command(137));
        assert_eq!(own(&End { command: CommandOutcome::default(), ..end(1) }), Exit::Failed(1));
    }
}
