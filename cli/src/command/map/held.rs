//! Results that wait for their turn: in memory, and in a file when they are large.

use bytes::Bytes;
use rpar_core::task::CommandOutcome;

use super::super::task::End;
use super::scratch::{Place, Scratch};
use crate::command::report::Outcome;

/// What waiting results may take in memory. A task that holds up the order must not fill it.
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

/// Where results wait.
#[derive(Debug)]
pub(super) struct Shelf {
    /// What the ends in memory have written.
    bytes: usize,
    scratch: Scratch,
}

/// A result that waits.
#[derive(Debug)]
pub(super) enum Held {
    Memory(Box<End>),
    /// What it has written is in the file: stdout, stderr.
    File(Box<End>, [Place; 2]),
}

impl Shelf {
    pub(super) fn new() -> Self {
        Shelf { bytes: 0, scratch: Scratch::new(None) }
    }

    /// Puts a result away.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn keep(&mut self, mut end: End) -> Outcome<Held> {
        let (stdout, stderr) = (&end.command.stdout, &end.command.stderr);
        let bytes = stdout.len() + stderr.len();
        if self.bytes + bytes <= MEMORY_LIMIT_BYTES {
            self.bytes += bytes;
            return Ok(Held::Memory(Box::new(end)));
        }
        let places = [self.scratch.put(stdout)?, self.scratch.put(stderr)?];
        end.command = CommandOutcome { stdout: Bytes::new(), stderr: Bytes::new(), ..end.command };
        Ok(Held::File(Box::new(end), places))
    }

    /// Brings a result back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn bring(&mut self, held: Held) -> Outcome<End> {
        let (mut end, [stdout, stderr]) = match held {
            Held::Memory(end) => {
                self.bytes -= end.command.stdout.len() + end.command.stderr.len();
                return Ok(*end);
            }
            Held::File(end, places) => (*end, places),
        };
        end.command.stdout = self.scratch.take(stdout)?.into();
        end.command.stderr = self.scratch.take(stderr)?.into();
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_memory_comes_back_from_the_file() {
        let mut shelf = Shelf::new();
        let end = |byte: u8, megabytes: usize| {
            let (stdout, stderr) = (vec![byte; megabytes << 20].into(), vec![byte + 1; 3].into());
            let command = CommandOutcome { exit: Some(1), stdout, stderr, ..Default::default() };
            End { command, ..End::default() }
        };
        let ends: Vec<End> = (0..10).map(|byte| end(byte, 10)).collect();
        let held: Vec<Held> = ends.iter().map(|end| shelf.keep(end.clone()).unwrap()).collect();
        assert_eq!(held.iter().filter(|held| matches!(held, Held::File(..))).count(), 4);
        assert!(shelf.bytes <= MEMORY_LIMIT_BYTES);
        for (held, end) in held.into_iter().zip(&ends) {
            assert!(shelf.bring(held).unwrap() == *end);
        }
        assert_eq!(shelf.bytes, 0);
    }
}
