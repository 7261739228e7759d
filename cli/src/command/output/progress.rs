//! Progress on stderr, for whatever lasts longer than a second, on a terminal only.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Output, columns};

/// Nobody needs to be kept company for less.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The bar is a third of a narrow terminal, and no wider than this.
const BAR_COLUMNS: usize = 30;

/// How often a line on a terminal moves, to show that rpar lives.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// A line that says how many tasks are done. Shows itself after a second.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    shown: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is done yet.
    pub(crate) fn new(output: &Output) -> Self {
        let shown = std::io::stderr().is_terminal() && !output.quiet && !output.json;
        Progress { begun: Instant::now(), shown, bar: None }
    }

    /// So many are done of those submitted so far. With the total, there is an estimate of what is left; `text` says
    /// what is waited for.
    pub(crate) fn count(&mut self, done: u64, submitted: u64, total: Option<u64>, text: &str) {
        let left = total.and_then(|total| left(self.begun.elapsed(), done, total));
        let Some(bar) = self.bar() else { return };
        bar.set_length(total.unwrap_or(submitted));
        bar.set_position(done);
        let left = left.map(|left| format!(", {:#} left", HumanDuration(left))).unwrap_or_default();
        if bar.prefix() != left {
            bar.set_prefix(left);
        }
        if bar.message() != text {
            bar.set_message(text.to_owned());
        }
    }

    /// Runs something that writes to the terminal, without tearing the line.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn bar(&mut self) -> Option<&ProgressBar> {
        if self.bar.is_none() && self.shown && self.begun.elapsed() >= PATIENCE {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(&style()) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar.with_elapsed(self.begun.elapsed()));
        }
        self.bar.as_ref()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style() -> String {
    let bar = columns(std::io::stderr()).map_or(BAR_COLUMNS, |columns| (columns / 3).min(BAR_COLUMNS));
    format!("{{bar:{bar}}} {{pos}}/{{len}} {{msg}} [{{elapsed}}{{prefix}}]")
}

/// How long the rest will take if it goes on as it went so far; `None` as long as nothing is known of that.
fn left(elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
    let rest = total.checked_sub(done).filter(|rest| done > 0 && *rest > 0)?;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * rest as f64 / done as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_once_something_is_known_of_it() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(9), 0, 20), None);
        assert_eq!(left(seconds(2), 8, 20), Some(seconds(3)));
        assert_eq!(left(seconds(2), 20, 20), None);
    }
}
