//! What differs from one batch system to the next, as text in and text out.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rpar_core::error::Retry;
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, SchedulerInfo};

use rpar_core::runner::Answer;

use crate::pace::DEFAULT_PER_SECOND;

/// States by id, as a site's answer names them.
pub type States = BTreeMap<AllocationId, AllocationState>;

/// The pure half of a batch scheduler. [`Batch`](crate::Batch) does the rest: it writes the script, runs the command
/// lines, bounds their time and turns a [`Refusal`] into an error with the command's trace.
///
/// Every command runs in the request's directory or anywhere, and names no path outside of it: some sites' wrappers
/// pass their arguments through a shell unquoted (Slurm's `qsub` for Torque users does).
pub trait Dialect: Debug + Send + Sync + 'static {
    /// The backend's name and abilities.
    fn info(&self) -> SchedulerInfo;

    /// How long one command of the site may take.
    fn limit(&self) -> Duration;

    /// How many commands of the site may begin in a second.
    fn per_second(&self) -> NonZeroU32 {
        DEFAULT_PER_SECOND
    }

    /// The job script, in place of which [`AllocationRequest::script`] may stand.
    ///
    /// # Errors
    /// When the request cannot be expressed.
    fn script(&self, request: &AllocationRequest) -> Result<String, Refusal>;

    /// The command that submits the file `script`, which stands in the directory the command runs in.
    fn submit(&self, request: &AllocationRequest, script: &str) -> Vec<String>;

    /// Reads the id of what was requested from the answer to [`submit`](Dialect::submit).
    ///
    /// # Errors
    /// Why there is none; [`Retry::Unsure`] when the site may have accepted all the same.
    fn submitted(&self, request: &AllocationRequest, answer: &Answer) -> Result<AllocationId, Refusal>;

    /// The command that asks for the states of these.
    fn poll(&self, ids: &[AllocationId]) -> Vec<String>;

    /// Whether the answer to [`poll`](Dialect::poll) teaches how to ask this site: then the question is put again at
    /// once, as the dialect has learnt it. Each thing is learnt at most once in a row.
    fn learns(&self, _answer: &Answer) -> bool {
        false
    }

    /// Reads states from the answer to [`poll`](Dialect::poll); ids that it does not mention are left out.
    ///
    /// # Errors
    /// When the answer is none.
    fn polled(&self, answer: &Answer) -> Result<States, Refusal>;

    /// The command that gives these back.
    fn cancel(&self, ids: &[AllocationId]) -> Vec<String>;

    /// Judges the answer to [`cancel`](Dialect::cancel). Allocations that are gone are fine, also among others.
    ///
    /// # Errors
    /// When the site refused or did not answer, be it for one of them.
    fn cancelled(&self, answer: &Answer) -> Result<(), Refusal>;

    /// The command that lists the allocations that have not ended, of `user` at least.
    fn find(&self, tag: &ClusterTag, user: &str) -> Vec<String>;

    /// Reads the ids of those of `user` that are named `tag` from the answer to [`find`](Dialect::find).
    ///
    /// # Errors
    /// When the answer is none.
    fn found(&self, tag: &ClusterTag, user: &str, answer: &Answer) -> Result<Vec<AllocationId>, Refusal>;

    /// The file that lists the granted nodes, if the site writes one. Its text is handed to [`nodes`](Dialect::nodes).
    fn nodefile(&self, environment: &BTreeMap<String, String>) -> Option<PathBuf>;

    /// Reads the granted nodes from inside the allocation.
    ///
    /// # Errors
    /// When nothing there names nodes.
    fn nodes(
        &self,
        environment: &BTreeMap<String, String>,
        nodefile: Option<&str>,
    ) -> Result<Vec<Node>, Refusal>;
}

/// The site, or the dialect, says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether trying again can help.
    pub retry: Retry,
    /// Why, in one line, in the site's words where it has any.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(retry: Retry, reason: impl Into<String>) -> Self {
        Refusal { retry, reason: reason.into(), hint: None }
    }

    /// Reads the site's reason from what a failed command printed, and judges it by `rules`: the first whose pattern
    /// occurs in the output, in lower case, tells retry and hint. Without one it is [`Retry::Never`].
    pub fn read(answer: &Answer, rules: &[&[Rule]]) -> Self {
        let output = answer.output();
        let reason = match (reason(&output), answer.exit) {
            (Some(reason), _) => reason,
            (None, Some(exit)) => format!("the command failed with exit status {exit} and said nothing"),
            (None, None) => "the command was killed".to_owned(),
        };
        let lower = output.to_lowercase();
        let rule = rules.iter().copied().flatten().find(|rule| lower.contains(rule.pattern));
        let retry = match (answer.exit, rule) {
            (None, _) => Retry::Unsure,
            (_, Some(rule)) => rule.retry,
            (_, None) => Retry::Never,
        };
        Refusal { retry, reason, hint: rule.and_then(|rule| rule.hint).map(str::to_owned) }
    }
}

/// How to judge a message of the site.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Part of the message, in lower case.
    pub pattern: &'static str,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What the user can do.
    pub hint: Option<&'static str>,
}

/// What stands before the text of how a command is used, which is long and tells nothing of what is wrong.
pub(crate) fn before_usage(output: &str) -> &str {
    let mut at = 0;
    for line in output.split_inclusive('\n') {
        if line.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("usage:")) {
            break;
        }
        at += line.len();
    }
    &output[..at]
}

/// How many lines of what stands before a command's usage are told.
const LINES_LIMIT: usize = 3;

/// The site's words, in one line: what follows `error:` where that stands, what comes before the command's usage where
/// that is told, else the last line.
fn reason(output: &str) -> Option<String> {
    let told = output.lines().filter_map(|line| line.split_once("error:")).map(|(_, reason)| reason.trim());
    let told = told.filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; ");
    let whole = if told.is_empty() {
        let spoken = before_usage(output);
        let used_wrongly = spoken.len() < output.len();
        // the usage alone begins with what the command is
        let text = if spoken.trim().is_empty() { output } else { spoken };
        let pointless = |line: &str| line.is_empty() || line == "'" || line.starts_with("Try \"");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !pointless(line)).collect();
        let told = match used_wrongly {
            true => &lines[..lines.len().min(LINES_LIMIT)],
            false => std::slice::from_ref(lines.last()?),
        };
        // `qsub: what is wrong`, `sbatch: ...`: which command it was is told elsewhere
        let program =
            |name: &str| name.starts_with(['q', 's']) && name.chars().all(|c| c.is_ascii_lowercase());
        let plain = told.iter().map(|line| match line.split_once(": ") {
            Some((name, told)) if program(name) => told,
            _ => line,
        });
        plain.collect::<Vec<_>>().join("; ")
    } else {
        told
    };
    // a site's message of the day must not become a reason of several pages
    Some(whole.chars().take(400).collect())
}

/// Whether every line of an output has one of these texts in it: also when there is none.
pub(crate) fn only(output: &str, texts: &[&str]) -> bool {
    let mut lines = output.lines().filter(|line| !line.trim().is_empty());
    lines.all(|line| texts.iter().any(|text| line.contains(text)))
}

/// Walltime as `HH:MM:SS`, which every batch system reads. Part of a second counts as one.
pub(crate) fn clock(walltime: Duration) -> String {
    let seconds = walltime.as_secs() + u64::from(walltime.subsec_nanos() > 0);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A moment without its seconds, which are an estimate's least: `2026-11-24T14:05:00` becomes `2026-11-24 14:05`. `None`
/// when it is no moment (`N/A`).
pub(crate) fn moment(text: &str) -> Option<String> {
    let (date, time) = text.trim().split_once('T')?;
    let plain = |text: &str, mark: char| text.chars().all(|c| c.is_ascii_digit() || c == mark);
    let told = date.len() == 10 && plain(date, '-') && plain(time, ':');
    Some(format!("{date} {}", time.get(..5).filter(|_| told)?))
}

/// Reads a time as sites print it: `SS`, `MM:SS`, `HH:MM:SS` or `D-HH:MM:SS`.
pub(crate) fn parse_clock(text: &str) -> Option<Duration> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (days.parse::<u64>().ok()?, rest),
        None => (0, text),
    };
    let mut seconds = 0_u64;
    for part in rest.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(Duration::from_secs(days.checked_mul(86_400)?.checked_add(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        assert_eq!(clock(Duration::from_millis(1_799_001)), "00:30:00");
        assert_eq!(clock(Duration::from_secs(100 * 3600)), "100:00:00");
        for (text, seconds) in [("9:58", 598), ("1-02:03:04", 93_784), ("00:10:00", 600), ("59", 59)] {
            assert_eq!(parse_clock(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "UNLIMITED", "INVALID", "1:x", "99999999999999999999", "999999999999999-0:0:0"] {
            assert_eq!(parse_clock(text), None, "{text}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2026-11-24T14:05:59").as_deref(), Some("2026-11-24 14:05"));
        for text in ["", "N/A", "Unknown", "T", "2026-11-24T", "2026-11-24Tnoon:", "Tomorrow T14:05"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn the_reason_is_not_where_to_read_more() {
        let output = "sbatch: unrecognized option '--nosuch=1'\nTry \"sbatch --help\" for more information\n";
        assert_eq!(reason(output).as_deref(), Some("unrecognized option '--nosuch=1'"));
    }

    #[test]
    fn what_is_wrong_comes_before_how_the_command_is_used() {
        for (output, told) in [
            (
                "Unknown option: f\nUsage:\n    qsub [-a start_time]\n    [-W x] [-h] [script]\n",
                "Unknown option: f",
            ),
            (
                "Unknown option: E\nUnknown option: x\nUsage:\n  qstat\n",
                "Unknown option: E; Unknown option: x",
            ),
            ("qsub: invalid option -- 'f'\nusage: qsub [-a date_time]\n    [-z]\n", "invalid option -- 'f'"),
            ("a\nb\nc\nd\nusage: q\n", "a; b; c"),
            ("usage: qsub [-a]\n  [-b]\n", "usage: qsub [-a]; [-b]"),
            ("welcome\nqsub: no such queue\n", "no such queue"),
        ] {
            assert_eq!(reason(output).as_deref(), Some(told), "{output}");
        }
        assert_eq!(reason("\n"), None);
    }

    #[test]
    fn a_silent_failure_tells_its_status() {
        let answer = Answer { exit: Some(3), ..Answer::default() };
        assert_eq!(
            Refusal::read(&answer, &[]).reason,
            "the command failed with exit status 3 and said nothing"
        );
        let killed = Answer::default();
        assert_eq!(Refusal::read(&killed, &[]).retry, Retry::Unsure);
    }
}
