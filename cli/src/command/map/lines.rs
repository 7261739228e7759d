//! What running tasks write, taken apart into lines, so that those of two tasks never mix.

use std::collections::BTreeMap;

use rpar_core::id::EngineId;
use rpar_runtime::client::TaskOutput;

use crate::command::report::Outcome;

/// A line is printed whole up to this length; a longer one in pieces, so that tasks that write no lines do not fill this
/// process, even a thousand of them at once.
const LINE_BYTES: usize = 256 << 10;

/// Tasks that have written something and not ended.
#[derive(Debug, Default)]
pub(super) struct Lines {
    tasks: BTreeMap<usize, Writer>,
}

/// What is known of a task that writes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    by: Try,
    /// The beginnings of lines: of stdout, of stderr.
    partial: [Vec<u8>; 2],
    /// How much it has written to stdout.
    pub(super) stdout_bytes: u64,
}

/// One try at a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Try {
    /// Who runs it.
    pub(super) engine: Option<EngineId>,
    /// Which one it is, from 1.
    pub(super) attempt: u16,
}

/// A stream that tasks write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

impl Stream {
    /// The stream with this number.
    pub(super) fn of(number: u8) -> Self {
        if number == 1 { Stream::Out } else { Stream::Err }
    }
}

impl Lines {
    /// Takes what a task wrote, and has printed what is whole of it.
    ///
    /// # Errors
    /// Those of `print`.
    pub(super) fn add(
        &mut self,
        output: &TaskOutput,
        mut print: impl FnMut(Stream, Try, &[u8]) -> Outcome<()>,
    ) -> Outcome<()> {
        let TaskOutput { index, engine, attempt, stream, data, .. } = output;
        let by = Try { engine: Some(*engine), attempt: *attempt };
        let writer = self.tasks.entry(*index).or_insert_with(|| Writer::new(by));
        if writer.by != by {
            writer.end(&mut print)?;
            *writer = Writer::new(by);
        }
        let stream = Stream::of(*stream);
        if stream == Stream::Out {
            writer.stdout_bytes += data.len() as u64;
        }
        writer.add(stream, data, print)
    }

    /// Takes the end of a task, and has the last of what it wrote printed. `None` if it has written nothing.
    ///
    /// # Errors
    /// Those of `print`.
    pub(super) fn end(
        &mut self,
        index: usize,
        mut print: impl FnMut(Stream, Try, &[u8]) -> Outcome<()>,
    ) -> Outcome<Option<Writer>> {
        let Some(mut writer) = self.tasks.remove(&index) else { return Ok(None) };
        writer.end(&mut print)?;
        Ok(Some(writer))
    }
}

impl Writer {
    fn new(by: Try) -> Self {
        Writer { by, ..Writer::default() }
    }

    fn add(
        &mut self,
        stream: Stream,
        data: &[u8],
        mut print: impl FnMut(Stream, Try, &[u8]) -> Outcome<()>,
    ) -> Outcome<()> {
        let partial = &mut self.partial[stream as usize];
        let whole = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = data.split_at(whole);
        if partial.is_empty() && !lines.is_empty() {
            print(stream, self.by, lines)?;
        } else if !lines.is_empty() {
            partial.extend_from_slice(lines);
            print(stream, self.by, partial)?;
            partial.clear();
        }
        partial.extend_from_slice(rest);
        if partial.len() >= LINE_BYTES {
            print(stream, self.by, partial)?;
            partial.clear();
        }
        Ok(())
    }

    fn end(&mut self, print: &mut impl FnMut(Stream, Try, &[u8]) -> Outcome<()>) -> Outcome<()> {
        for (stream, partial) in [Stream::Out, Stream::Err].into_iter().zip(&mut self.partial) {
            if !partial.is_empty() {
                print(stream, self.by, partial)?;
                partial.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(pieces: &[&[u8]]) -> Vec<String> {
        let mut writer = Writer::default();
        let mut seen = Vec::new();
        let mut print = |_, _, text: &[u8]| -> Outcome<()> {
            seen.push(String::from_utf8_lossy(text).into_owned());
            Ok(())
        };
        for piece in pieces {
            writer.add(Stream::Out, piece, &mut print).unwrap();
        }
        writer.end(&mut print).unwrap();
        seen
    }

    #[test]
    fn lines_are_whole_and_the_last_one_comes_at_the_end() {
        assert_eq!(printed(&[b"a\nb\nc", b"d", b"e\nf"]), ["a\nb\n", "cde\n", "f"]);
        assert_eq!(printed(&[b"a\n"]), ["a\n"]);
        assert_eq!(printed(&[b"", b"\n\n"]), ["\n\n"]);
    }

    #[test]
    fn what_has_no_lines_is_printed_in_pieces() {
        let piece = vec![b'x'; LINE_BYTES / 4];
        let lengths: Vec<usize> = printed(&[&piece[..]; 10]).iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, LINE_BYTES / 2]);
    }
}
