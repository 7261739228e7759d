//! Progress on stderr, for whatever lasts longer than a second, on a terminal only.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

/// Nobody needs to be kept company for less.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line that says how far things are. Shows itself after a second.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    terminal: bool,
    quiet: bool,
    bar: Option<ProgressBar>,
    style: &'static str,
    told: String,
}

impl Progress {
    /// Counts tasks.
    pub(crate) fn tasks(output: &Output) -> Self {
        Self::new(output, "{bar:30} {pos}/{len} {msg} [{elapsed}, {eta} left]")
    }

    /// Waits for something.
    pub(crate) fn waiting(output: &Output) -> Self {
        Self::new(output, "{spinner} {wide_msg} [{elapsed}]")
    }

    fn new(output: &Output, style: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let quiet = output.quiet || output.json;
        Progress { begun: Instant::now(), terminal, quiet, bar: None, style, told: String::new() }
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

    /// Says what is being waited for. Where stderr is no terminal, each new text becomes a line of its own.
    pub(crate) fn say(&mut self, output: &Output, text: &str) {
        if !self.terminal {
            if self.begun.elapsed() >= PATIENCE && self.told != text && !self.quiet {
                output.note(text);
                text.clone_into(&mut self.told);
            }
            return;
        }
        if let Some(bar) = self.bar() {
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

    fn bar(&mut self) -> Option<&ProgressBar> {
        if self.bar.is_none() && self.terminal && !self.quiet && self.begun.elapsed() >= PATIENCE {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(self.style) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar.with_elapsed(self.begun.elapsed()));
        }
        self.bar.as_ref()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
