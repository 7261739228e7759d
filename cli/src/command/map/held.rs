//! Results that wait for their turn: in memory, and in a file when they are large.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use rpar_core::task::CommandOutcome;

use super::super::task::End;

/// What waiting results may take in memory. A task that holds up the order must not fill it.
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

/// Where results wait.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// What the ends in memory have written.
    bytes: usize,
    /// Made when it is needed; has no name, and so goes with this process.
    file: Option<File>,
    /// Where the next one goes, and how many are there.
    at: u64,
    filed: usize,
}

/// A result that waits.
#[derive(Debug)]
pub(super) enum Held {
    Memory(Box<End>),
    /// What it has written is at this place of the file: so many bytes of stdout, so many of stderr.
    File(Box<End>, u64, usize, usize),
}

impl Shelf {
    /// Puts a result away.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn keep(&mut self, mut end: End) -> io::Result<Held> {
        let (stdout, stderr) = (end.command.stdout.clone(), end.command.stderr.clone());
        let bytes = stdout.len() + stderr.len();
        if self.bytes + bytes <= MEMORY_LIMIT_BYTES {
            self.bytes += bytes;
            return Ok(Held::Memory(Box::new(end)));
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all_at(&stdout, self.at)?;
        file.write_all_at(&stderr, self.at + stdout.len() as u64)?;
        end.command = CommandOutcome { stdout: Bytes::new(), stderr: Bytes::new(), ..end.command };
        let held = Held::File(Box::new(end), self.at, stdout.len(), stderr.len());
        self.at += bytes as u64;
        self.filed += 1;
        Ok(held)
    }

    /// Brings a result back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn bring(&mut self, held: Held) -> io::Result<End> {
        let (mut end, at, stdout, stderr) = match held {
            Held::Memory(end) => {
                self.bytes -= end.command.stdout.len() + end.command.stderr.len();
                return Ok(*end);
            }
            Held::File(end, at, stdout, stderr) => (*end, at, stdout, stderr),
        };
        let mut bytes = vec![0; stdout + stderr];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, at)?;
            self.filed -= 1;
            if self.filed == 0 {
                file.set_len(0)?;
                self.at = 0;
            }
        }
        let mut bytes = Bytes::from(bytes);
        end.command.stdout = bytes.split_to(stdout);
        end.command.stderr = bytes;
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_memory_comes_back_from_the_file() {
        let mut shelf = Shelf::default();
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
        assert_eq!((shelf.bytes, shelf.filed, shelf.at), (0, 0, 0));
        let file = shelf.file.as_ref().unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
