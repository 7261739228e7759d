//! What tasks write that is too much for their results, until it may be printed or saved: each task's in one piece, in
//! memory while there is little of it, and then in a file.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use rpar_runtime::client::TaskOutput;

use super::lines::Stream;
use super::scratch::{Place, Scratch};
use crate::command::report::Outcome;

/// What all tasks together may have in memory, beside what is too short for the file.
const MEMORY_LIMIT_BYTES: usize = 8 << 20;

/// What a running task writes to one stream is gathered up to this length: a place in the file is noted in a thousandth
/// of it, and a thousand engines' short ends fit into memory.
const PLACE_BYTES: usize = 16 << 10;

/// How much is taken out at once.
const PIECE_BYTES: u64 = 256 << 10;

/// Tasks that have written much, and what they wrote.
#[derive(Debug)]
pub(super) struct Spool {
    tasks: BTreeMap<usize, Written>,
    /// How much of it is in memory.
    memory_bytes: usize,
    scratch: Scratch,
}

/// What one try at a task wrote to stdout and to stderr.
#[derive(Debug, Default)]
pub(super) struct Written {
    attempt: u16,
    streams: [Text; 2],
}

/// What was written to one stream: first what is in the file, then what is in memory.
#[derive(Debug, Default)]
struct Text {
    filed: VecDeque<Place>,
    last: Vec<u8>,
    /// How much was taken out of it ended within a line.
    within: bool,
}

/// The next part of what a task wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) stream: Stream,
    pub(super) data: Vec<u8>,
    /// It is the beginning of a line.
    pub(super) begins: bool,
}

impl Spool {
    /// An empty one; `results` is where what tasks wrote will be saved, if it will.
    pub(super) fn new(results: Option<&Path>) -> Self {
        Spool { tasks: BTreeMap::new(), memory_bytes: 0, scratch: Scratch::new(results) }
    }

    /// Takes what a task wrote. A further try at it begins anew.
    ///
    /// # Errors
    /// When it is too much for memory, and cannot be written to the file.
    pub(super) fn add(&mut self, output: &TaskOutput) -> Outcome<()> {
        let stream = Stream::of(output.stream);
        self.write(output.index, output.attempt, stream, &output.data)
    }

    fn write(&mut self, index: usize, attempt: u16, stream: Stream, data: &[u8]) -> Outcome<()> {
        if self.tasks.get(&index).is_some_and(|written| written.attempt != attempt) {
            self.discard(index);
        }
        let written = self.tasks.entry(index).or_default();
        written.attempt = attempt;
        let text = &mut written.streams[stream as usize];
        text.last.extend_from_slice(data);
        self.memory_bytes += data.len();
        if self.memory_bytes > MEMORY_LIMIT_BYTES && text.last.len() >= PLACE_BYTES {
            text.file(&mut self.scratch, &mut self.memory_bytes)?;
        }
        Ok(())
    }

    /// Takes note that a task has ended, and tells how much it has written to stdout. What it wrote waits to be taken.
    ///
    /// # Errors
    /// As of [`add`](Self::add).
    pub(super) fn end(&mut self, index: usize) -> Outcome<u64> {
        let Some(written) = self.tasks.get_mut(&index) else { return Ok(0) };
        let bytes = written.streams[0].bytes();
        if self.memory_bytes > MEMORY_LIMIT_BYTES {
            for text in &mut written.streams {
                text.file(&mut self.scratch, &mut self.memory_bytes)?;
            }
        }
        Ok(bytes)
    }

    /// Takes the next piece of what a task wrote, stdout first; `None` when all of it was taken.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn next(&mut self, index: usize) -> Outcome<Option<Piece>> {
        let Some(written) = self.tasks.get_mut(&index) else { return Ok(None) };
        for (stream, text) in [Stream::Out, Stream::Err].into_iter().zip(&mut written.streams) {
            let begins = !text.within;
            let data = text.next(&mut self.scratch, &mut self.memory_bytes)?;
            if !data.is_empty() {
                return Ok(Some(Piece { stream, data, begins }));
            }
        }
        self.tasks.remove(&index);
        Ok(None)
    }

    /// Forgets what a task wrote.
    pub(super) fn discard(&mut self, index: usize) {
        let Some(written) = self.tasks.remove(&index) else { return };
        for text in written.streams {
            self.memory_bytes -= text.last.len();
            text.filed.into_iter().for_each(|place| self.scratch.free(place));
        }
    }
}

impl Text {
    fn bytes(&self) -> u64 {
        self.filed.iter().map(|place| place.bytes).sum::<u64>() + self.last.len() as u64
    }

    /// Moves what is in memory to the file.
    fn file(&mut self, scratch: &mut Scratch, memory_bytes: &mut usize) -> Outcome<()> {
        if self.last.is_empty() {
            return Ok(());
        }
        let place = scratch.put(&self.last)?;
        match self.filed.back_mut() {
            Some(back) if back.at + back.bytes == place.at => back.bytes += place.bytes,
            _ => self.filed.push_back(place),
        }
        *memory_bytes -= self.last.len();
        // its capacity is not kept: many tasks may have ended
        self.last = Vec::new();
        Ok(())
    }

    /// Takes out the next piece; an empty one when there is none.
    fn next(&mut self, scratch: &mut Scratch, memory_bytes: &mut usize) -> Outcome<Vec<u8>> {
        let data = match self.filed.front_mut() {
            Some(front) => {
                let place = Place { at: front.at, bytes: front.bytes.min(PIECE_BYTES) };
                let data = scratch.take(place)?;
                *front = Place { at: front.at + place.bytes, bytes: front.bytes - place.bytes };
                if front.bytes == 0 {
                    self.filed.pop_front();
                }
                data
            }
            None => {
                *memory_bytes -= self.last.len();
                std::mem::take(&mut self.last)
            }
        };
        self.within = data.last().map_or(self.within, |byte| *byte != b'\n');
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(spool: &mut Spool, index: usize) -> (Vec<u8>, Vec<u8>) {
        let mut streams = [Vec::new(), Vec::new()];
        while let Some(piece) = spool.next(index).unwrap() {
            let text = &mut streams[piece.stream as usize];
            assert_eq!(piece.begins, text.last().is_none_or(|byte| *byte == b'\n'));
            assert!(piece.data.len() <= MEMORY_LIMIT_BYTES);
            text.extend(piece.data);
        }
        let [out, err] = streams;
        (out, err)
    }

    #[test]
    fn what_many_write_at_once_comes_apart_and_whole() {
        let mut spool = Spool::new(None);
        let line = |index: usize, round: usize| format!("{index} writes {round}\n").repeat(2000).into_bytes();
        let (mut out, mut err) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
        for round in 0..500 {
            for index in 0..3 {
                let text = line(index, round);
                // pieces end within lines
                let (first, second) = text.split_at(text.len() * 2 / 3 + round);
                spool.write(index, 1, Stream::Out, first).unwrap();
                spool.write(index, 1, Stream::Err, second).unwrap();
                out[index].extend_from_slice(first);
                err[index].extend_from_slice(second);
                assert!(spool.memory_bytes <= MEMORY_LIMIT_BYTES + 6 * (PLACE_BYTES + text.len()));
            }
        }
        assert!((out[0].len() + err[0].len()) * 3 > 2 * MEMORY_LIMIT_BYTES);
        for index in [1, 0, 2] {
            assert_eq!(spool.end(index).unwrap(), out[index].len() as u64);
            assert!(taken(&mut spool, index) == (out[index].clone(), err[index].clone()));
        }
        assert_eq!((spool.memory_bytes, spool.tasks.len()), (0, 0));
    }

    #[test]
    fn a_further_try_begins_anew() {
        let mut spool = Spool::new(None);
        spool.write(7, 1, Stream::Out, &vec![1; MEMORY_LIMIT_BYTES + 1]).unwrap();
        spool.write(7, 1, Stream::Err, b"first").unwrap();
        spool.write(7, 2, Stream::Out, b"again").unwrap();
        assert_eq!(spool.end(7).unwrap(), 5);
        assert_eq!(taken(&mut spool, 7), (b"again".to_vec(), Vec::new()));
        spool.discard(7);
        assert_eq!((spool.end(7).unwrap(), spool.memory_bytes), (0, 0));
    }
}
