//! The only place that writes to stdout and stderr.

mod json;
mod line;
mod progress;
mod table;
mod waiting;

use std::io::{self, IsTerminal, Write};

pub(crate) use json::json_line;
pub(crate) use progress::Progress;
pub(crate) use table::Table;
pub(crate) use waiting::Waiting;

use crate::command::exit::Exit;
use crate::command::report::Report;

/// SIGPIPE, signal(7): what ends other tools when their reader goes away.
const SIGPIPE: u8 = 13;

/// When to use terminal colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the user wants to be told things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Answers as JSON.
    pub(crate) json: bool,
    /// Errors only.
    pub(crate) quiet: bool,
    color: ColorChoice,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, color: ColorChoice) -> Self {
        Output { json, quiet, color }
    }

    /// Writes an answer to stdout.
    ///
    /// # Errors
    /// Silent when nobody reads it any more; told when the disk is full.
    pub(crate) fn answer(&self, text: &str) -> Result<(), Report> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes to stdout as they are.
    ///
    /// # Errors
    /// See [`answer`](Self::answer).
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Report> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Report::silent(Exit::Signal(SIGPIPE)),
            _ => Report::new(Exit::Files, "could not write to stdout").because(error.to_string()),
        })
    }

    /// Writes many answers, together where they come together.
    pub(crate) fn answers(&self) -> Answers {
        Answers { stdout: *self, waiting: Vec::new() }
    }

    /// Writes bytes to stderr as they are. Nobody can be told when that fails.
    pub(crate) fn diagnostics(&self, bytes: &[u8]) {
        let _ = io::stderr().lock().write_all(bytes);
    }

    /// Tells the user what is going on, on stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.diagnostics(format!("{text}\n").as_bytes());
        }
    }

    /// Tells the user what a signal has led to: below the `^C` that a terminal shows.
    pub(crate) fn note_signal(&self, text: &str) {
        let line = if io::stderr().is_terminal() { "\n" } else { "" };
        self.note(&format!("{line}{text}"));
    }

    /// Tells the user of something that is not as it should be, on stderr.
    pub(crate) fn warn(&self, text: &str) {
        let label =
            if self.colors(io::stderr().is_terminal()) { "\x1b[1;33mwarning:\x1b[0m" } else { "warning:" };
        self.diagnostics(format!("{label} {text}\n").as_bytes());
    }

    /// Tells the user why it did not work, on stderr.
    pub(crate) fn report(&self, report: &Report) {
        self.diagnostics(report.render(self.colors(io::stderr().is_terminal())).as_bytes());
    }

    /// Whether what goes to stdout may have colours.
    pub(crate) fn colors_stdout(&self) -> bool {
        self.colors(io::stdout().is_terminal())
    }

    fn colors(&self, terminal: bool) -> bool {
        // https://no-color.org: set and not empty
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !refused,
        }
    }
}

/// Answers on their way to stdout: collected until someone has to wait.
#[derive(Debug)]
pub(crate) struct Answers {
    stdout: Output,
    waiting: Vec<u8>,
}

impl Answers {
    /// Enough that the system's calls cost little.
    const LIMIT_BYTES: usize = 64 << 10;

    /// Adds one; writes them out when there are many.
    ///
    /// # Errors
    /// See [`Output::answer`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Report> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= Self::LIMIT_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes out what is collected.
    ///
    /// # Errors
    /// See [`Output::answer`].
    pub(crate) fn flush(&mut self) -> Result<(), Report> {
        let written = self.stdout.bytes(&self.waiting);
        self.waiting.clear();
        written
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Columns of the terminal that a stream is; `None` when it is none.
fn columns(stream: impl IsTerminal + std::os::fd::AsFd) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col as usize).filter(|columns| *columns > 0)
}
