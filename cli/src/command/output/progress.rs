//! Progress on stderr, for whatever lasts longer than a second: on a terminal, or where it is asked for.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::line::Line;
use super::{Output, columns};

/// Nobody needs to be kept company for less.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The bar is a third of a narrow terminal, and no wider than this.
const BAR_COLUMNS: usize = 30;

/// How often a line on a terminal moves, to show that rpar lives.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// How often a line on a terminal is drawn at most.
const DRAWN_A_SECOND: u8 = 20;

/// How often a new line says the same where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// A line that says how many tasks are done.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    display: Display,
    /// Shows itself at once, and not after a second.
    at_once: bool,
    /// Says how long a task takes.
    mean: bool,
}

#[derive(Debug)]
enum Display {
    Nothing,
    /// A bar that moves, once it is shown.
    Bar(Option<ProgressBar>),
    /// Lines: when the last one was written, and what the next one says.
    Lines(Output, Option<Instant>, String),
}

impl Progress {
    /// Nothing is done yet. Shows itself on a terminal, after a second; `forced`, at once and anywhere. `mean` adds the
    /// mean time of a task.
    pub(crate) fn new(output: &Output, forced: bool, mean: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let wanted = forced || !output.quiet && !output.json;
        let display = match (wanted, terminal) {
            (true, true) => Display::Bar(None),
            (true, false) if forced => Display::Lines(*output, None, String::new()),
            _ => Display::Nothing,
        };
        Progress { begun: Instant::now(), display, at_once: forced, mean }
    }

    /// So many are done of those submitted so far. With the total, there is an estimate of what is left; `text` says
    /// what is waited for.
    pub(crate) fn count(&mut self, done: u64, submitted: u64, total: Option<u64>, text: &str) {
        let elapsed = self.begun.elapsed();
        if !self.at_once && elapsed < PATIENCE {
            return;
        }
        let left = total.and_then(|total| left(elapsed, done, total));
        let mut prefix = left.map(|left| format!(", {:#} left", HumanDuration(left))).unwrap_or_default();
        if let Some(done) = u32::try_from(done).ok().filter(|done| self.mean && *done > 0) {
            // of all engines together: what one more task adds
            prefix += &format!(", {:.1?} a task", elapsed / done);
        }
        let of = total.unwrap_or(submitted);
        match &mut self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                let bar = bar.get_or_insert_with(|| new_bar(elapsed));
                bar.set_length(of);
                bar.set_position(done);
                if bar.prefix() != prefix {
                    bar.set_prefix(prefix);
                }
                if bar.message() != text {
                    bar.set_message(text.to_owned());
                }
            }
            Display::Lines(output, said, line) => {
                let blank = if text.is_empty() { "" } else { " " };
                *line = format!("{done}/{of} {text}{blank}[{:#}{prefix}]\n", HumanDuration(elapsed));
                if said.is_none_or(|said| said.elapsed() >= LINE_EVERY) {
                    output.diagnostics(std::mem::take(line).as_bytes());
                    *said = Some(Instant::now());
                }
            }
        }
    }

    /// Runs something that writes to the terminal, without tearing the line.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(Some(bar)) => bar.suspend(write),
            _ => write(),
        }
    }

    /// Tells what a signal has led to: in the place of the bar, and of the `^C` behind it, where there is one.
    pub(crate) fn note_signal(&self, output: &Output, text: &str) {
        match &self.display {
            Display::Bar(Some(bar)) => bar.suspend(|| output.note(text)),
            _ => output.note_signal(text),
        }
    }

    /// Takes the bar away; a line that was not written yet is the last one.
    pub(crate) fn clear(&mut self) {
        match &mut self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            Display::Lines(output, _, line) => output.diagnostics(std::mem::take(line).as_bytes()),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn new_bar(elapsed: Duration) -> ProgressBar {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Line::default()), DRAWN_A_SECOND);
    let bar = ProgressBar::with_draw_target(Some(0), target);
    if let Ok(style) = ProgressStyle::with_template(&style()) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar.with_elapsed(elapsed)
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
