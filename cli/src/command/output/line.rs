//! The line of a terminal in which a bar moves. What the terminal itself then writes, such as `^C`, stands behind the bar and
//! goes with it.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

use super::columns;

/// Of a terminal that does not tell.
const USUAL_COLUMNS: u16 = 80;

/// Moves on stderr, drawn in one go.
#[derive(Debug, Default)]
pub(super) struct Line {
    drawn: Mutex<String>,
}

impl Line {
    fn draw(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// So many steps (console_codes(4), CSI); none is no code: the terminal would take 0 for 1.
    fn step(&self, count: usize, code: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.draw(&format!("\x1b[{count}{code}")) }
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        let columns = columns(io::stderr()).and_then(|columns| columns.try_into().ok());
        columns.unwrap_or(USUAL_COLUMNS)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.step(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.step(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.step(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.step(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text)?;
        self.draw("\n")
    }

    /// Blanks alone are what a bar is filled up with to the edge: behind that, `^C` would be a line further down, and what
    /// clears the bar would miss it.
    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| byte == b' ') { Ok(()) } else { self.draw(text) }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stderr = io::stderr().lock();
        stderr.write_all(drawn.as_bytes())?;
        stderr.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_behind_the_bar() {
        let line = Line::default();
        line.clear_line().unwrap();
        line.move_cursor_up(0).unwrap();
        line.write_str("3/6 [2s]").unwrap();
        line.write_str(&" ".repeat(72)).unwrap();
        line.move_cursor_up(2).unwrap();
        assert_eq!(*line.drawn.lock().unwrap(), "\r\x1b[2K3/6 [2s]\x1b[2A");
    }
}
