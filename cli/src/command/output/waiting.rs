//! Says what is being waited for, once that has lasted longer than a second.

use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;
use super::progress::{PATIENCE, TICK};

/// A line on stderr, until dropped. Where that is no terminal, each new text becomes a line of its own.
#[derive(Debug)]
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    /// What is to be told above it, and has not been.
    warnings: Vec<String>,
    over: bool,
}

impl Waiting {
    /// Waits for what `text` says.
    pub(crate) fn new(output: &Output, text: &str) -> Self {
        let shared = Arc::new(Shared::default());
        text.clone_into(&mut shared.lock().text);
        let quiet = output.quiet || output.json;
        let (output, theirs) = (*output, Arc::clone(&shared));
        let show = move || theirs.show(&output);
        // a system without a thread to spare gets no progress
        let thread = if quiet { None } else { std::thread::Builder::new().spawn(show).ok() };
        Waiting { shared, thread }
    }

    /// Says something else.
    pub(crate) fn say(&self, text: &str) {
        let mut state = self.shared.lock();
        if state.text != text {
            text.clone_into(&mut state.text);
            self.shared.changed.notify_all();
        }
    }

    /// Tells of something that is not as it should be, above the line, while the waiting goes on.
    pub(crate) fn warn(&self, text: &str) {
        self.shared.lock().warnings.push(text.to_owned());
        self.shared.changed.notify_all();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // the state is whole after every change
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, output: &Output) {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !state.over);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let bar = std::io::stderr().is_terminal().then(spinner);
        while !state.over {
            let text = state.text.clone();
            for warning in std::mem::take(&mut state.warnings) {
                match &bar {
                    Some(bar) => bar.suspend(|| output.warn(&warning)),
                    None => output.warn(&warning),
                }
            }
            match &bar {
                Some(bar) => bar.set_message(text.clone()),
                None => output.note(&text),
            }
            let waited = self
                .changed
                .wait_while(state, |state| !state.over && state.warnings.is_empty() && state.text == text);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} [{elapsed}]") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar.with_elapsed(PATIENCE)
}
