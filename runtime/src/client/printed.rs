//! What the tasks of a group have written, kept for a program that may ask for it, at any time or never.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use rpar_core::id::EngineId;

use super::group::{Slot, State};
use super::output::TaskOutput;
use super::{Client, Group};

/// Of each stream of a task this much is kept from its start, and as much of the latest.
const PART_BYTES: usize = 512 << 10;

/// When the tasks of a group have written this much, no more is kept of a stream than its last [`SCRAP_BYTES`].
const GROUP_BYTES: usize = 256 << 20;

/// What people look at of the end, when there is no memory for more.
const SCRAP_BYTES: usize = 4 << 10;

/// Of all tasks that have written something.
#[derive(Debug, Default)]
pub(super) struct Printed {
    tasks: BTreeMap<usize, Task>,
    bytes: usize,
    /// How many programs listen.
    listeners: usize,
}

#[derive(Debug)]
struct Task {
    engine: EngineId,
    attempt: u16,
    streams: [Stream; 2],
}

/// The start and the end of what was written to a stream.
#[derive(Debug, Default)]
struct Stream {
    first: Vec<u8>,
    last: VecDeque<u8>,
    left_out_bytes: u64,
}

/// A part of what a task has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The task's index in its group.
    pub index: usize,
    /// The engine that runs it.
    pub engine: EngineId,
    /// Which try at it, from 1. Each writes from the start.
    pub attempt: u16,
    /// 1 is stdout, 2 is stderr.
    pub stream: u8,
    /// The bytes.
    pub data: Bytes,
}

impl Client {
    /// A new, empty group that keeps what its tasks write, so that they wait for nobody: of each stream of a task 512 KiB
    /// from its start, and the latest 512 KiB; 256 MiB in all.
    pub fn printed_group(&self) -> Group {
        let group = Group::default();
        group.lock().printed = Some(Printed::default());
        group
    }
}

impl Group {
    /// What a task has written so far to stdout and to stderr, in its last attempt; a line in their midst tells what was
    /// left out. Empty in a group that does not [keep](Client::printed_group) it.
    pub fn printed(&self, index: usize) -> [Vec<u8>; 2] {
        let mut state = self.lock();
        let attempts = match state.slot(index) {
            Some(Slot::Finished(end)) => end.attempts,
            _ => 0,
        };
        let task = state.printed.as_ref().and_then(|printed| printed.tasks.get(&index));
        // the attempt after it has written nothing
        let task = task.filter(|task| attempts == u8::MAX || task.attempt >= attempts.into());
        task.map_or_else(Default::default, |task| [task.streams[0].text(), task.streams[1].text()])
    }

    /// What the tasks of a group that [keeps](Client::printed_group) it have written so far, and then all that they write,
    /// without gaps: while the program does not take it, it takes room in the client's window of 8 MiB, and tasks that
    /// write wait when that is full. Two that listen at the same time share what comes.
    pub fn listen(&self) -> Listening {
        let mut state = self.lock();
        let mut before = VecDeque::new();
        if let Some(printed) = &mut state.printed {
            // what waits for another one that listens is among what is kept
            printed.listeners += 1;
            before.extend(printed.pieces());
        }
        drop(state);
        Listening { group: self.clone(), before }
    }
}

/// One that listens to what the tasks of a group write; made by [`Group::listen`].
pub struct Listening {
    group: Group,
    before: VecDeque<Piece>,
}

/// What there is to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something was written.
    Piece(Piece),
    /// Nothing, in time.
    Silence,
    /// All tasks have ended, and all that they wrote was taken.
    End,
}

impl Listening {
    /// Waits for the next piece.
    pub fn next(&mut self, deadline: Option<Instant>) -> Heard {
        if let Some(piece) = self.before.pop_front() {
            return Heard::Piece(piece);
        }
        let mut state = self.group.lock();
        let mut late = false;
        loop {
            if let Some(output) = state.output.pop_front() {
                drop(state);
                // a copy: what has come in one frame does not wait in memory until the last of it is taken
                let TaskOutput { index, engine, attempt, stream, ref data, .. } = output;
                let data = Bytes::copy_from_slice(data);
                return Heard::Piece(Piece { index, engine, attempt, stream, data });
            }
            if state.finished >= self.group.len() {
                return Heard::End;
            }
            if late {
                return Heard::Silence;
            }
            state.any += 1;
            (state, late) = self.group.sleep(state, deadline);
            state.any -= 1;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.group.lock();
        let mut left = VecDeque::new();
        if let Some(printed) = &mut state.printed {
            printed.listeners -= 1;
            if printed.listeners == 0 {
                left = std::mem::take(&mut state.output);
            }
        }
        // its room is given back without the group's lock
        drop(state);
        drop(left);
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listening({:?})", self.group)
    }
}

impl State {
    /// Keeps what a task wrote; gives it back if nobody listens.
    pub(super) fn keep_printed(&mut self, output: TaskOutput) -> Option<TaskOutput> {
        let Some(printed) = &mut self.printed else {
            self.output.push_back(output);
            return None;
        };
        printed.add(&output);
        if printed.listeners == 0 {
            return Some(output);
        }
        self.output.push_back(output);
        None
    }
}

impl Printed {
    fn add(&mut self, output: &TaskOutput) {
        let new = || Task { engine: output.engine, attempt: output.attempt, streams: Default::default() };
        let task = self.tasks.entry(output.index).or_insert_with(new);
        if task.attempt != output.attempt {
            self.bytes -= task.streams.iter().map(Stream::kept_bytes).sum::<usize>();
            *task = new();
        }
        let full = self.bytes >= GROUP_BYTES;
        let stream = &mut task.streams[usize::from(output.stream == 2)];
        let before = stream.kept_bytes();
        stream.add(&output.data, full);
        self.bytes = self.bytes - before + stream.kept_bytes();
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        self.tasks.iter().flat_map(|(index, task)| {
            let pieces = task.streams.iter().zip([1, 2]).filter(|(stream, _)| stream.kept_bytes() > 0);
            pieces.map(|(stream, number)| Piece {
                index: *index,
                engine: task.engine,
                attempt: task.attempt,
                stream: number,
                data: stream.text().into(),
            })
        })
    }
}

impl Stream {
    fn kept_bytes(&self) -> usize {
        self.first.len() + self.last.len()
    }

    fn add(&mut self, data: &[u8], full: bool) {
        let room = if full || self.left_out_bytes > 0 || !self.last.is_empty() {
            0
        } else {
            PART_BYTES - self.first.len()
        };
        let (start, rest) = data.split_at(room.min(data.len()));
        self.first.extend_from_slice(start);
        self.last.extend(rest);
        let limit = if full { SCRAP_BYTES } else { PART_BYTES };
        let surplus = self.last.len().saturating_sub(limit);
        self.last.drain(..surplus);
        self.left_out_bytes += surplus as u64;
    }

    fn text(&self) -> Vec<u8> {
        let mut text = self.first.clone();
        if self.left_out_bytes > 0 {
            text.extend_from_slice(
                format!("\n[{} bytes were left out here]\n", self.left_out_bytes).as_bytes(),
            );
        }
        text.extend(&self.last);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_and_the_end_are_kept() {
        let mut stream = Stream::default();
        stream.add(b"start ", false);
        for _ in 0..40 {
            stream.add(&[b'x'; 50_000], false);
        }
        stream.add(b" end", false);
        assert_eq!(stream.kept_bytes(), 2 * PART_BYTES);
        let left_out = 40 * 50_000 + 10 - 2 * PART_BYTES;
        let text = String::from_utf8(stream.text()).unwrap();
        assert!(text.starts_with("start x") && text.ends_with("x end"));
        assert!(text.contains(&format!("x\n[{left_out} bytes were left out here]\nx")));
    }

    #[test]
    fn little_is_kept_whole() {
        let mut stream = Stream::default();
        for part in [&b"a"[..], b"", b"bc"] {
            stream.add(part, false);
        }
        assert_eq!(stream.text(), b"abc");
        stream.add(&[b'y'; 3 * SCRAP_BYTES], true);
        let text = String::from_utf8(stream.text()).unwrap();
        assert!(text.starts_with("abc\n[8192 bytes") && text.ends_with('y'), "{text}");
    }
}
