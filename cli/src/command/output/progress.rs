//! Progress on stderr, for whatever lasts longer than a second, on a terminal only.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

/// Nobody needs to be kept company for less.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

const STYLE: &str = "{bar:30} {pos}/{len} {msg} [{elapsed}, {eta} left]";

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

    /// So many are done of those known so far.
    pub(crate) fn count(&mut self, done: u64, known: u64, text: &str) {
        let Some(bar) = self.bar() else { return };
        bar.set_length(known);
        bar.set_position(done);
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
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
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
