//! What tasks wrote, on its way to the user and to files.

use rpar_runtime::client::TaskOutput;

use super::super::task::End;
use super::collect::{Collector, Stop};
use super::lines::{Stream, Try};
use super::turns::Due;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

impl Collector<'_> {
    /// Prints what a running task wrote, or puts it away until it has ended.
    pub(super) fn wrote(&mut self, output: &TaskOutput) -> Outcome<()> {
        self.note(output.index);
        let Collector { lines, turns, printer, progress, .. } = self;
        let Some(record) = turns.record(output.index) else { return Ok(()) };
        match lines {
            Some(lines) => {
                lines.add(output, |stream, by, text| printer.lines(record, by, stream, text, progress))
            }
            None => self.spool.add(output),
        }
    }

    /// Takes note that a task has ended: of how much it wrote. Where lines are printed as they come, prints the last one,
    /// or what is told of a task that never ran.
    pub(super) fn wrote_last(&mut self, index: usize, end: &mut End) -> Outcome<()> {
        let Collector { lines, turns, printer, progress, .. } = self;
        let (Some(lines), Some(record)) = (lines, turns.record(index)) else {
            return self.put_away(index, end);
        };
        let mut print = |stream, by, text: &[u8]| printer.lines(record, by, stream, text, progress);
        if let Some(writer) = lines.end(index, &mut print)? {
            end.stdout_bytes = writer.stdout_bytes;
        }
        // what it wrote was printed; the rest is not its own
        if !end.command.streamed && end.message.is_none() && !end.command.stderr.is_empty() {
            let by = Try { engine: end.engine, attempt: end.attempts.into() };
            print(Stream::Err, by, &end.command.stderr)?;
        }
        Ok(())
    }

    fn put_away(&mut self, index: usize, end: &mut End) -> Outcome<()> {
        if end.command.streamed {
            end.stdout_bytes = self.spool.end(index)?;
        } else {
            // an earlier try may have written much
            self.spool.discard(index);
        }
        Ok(())
    }

    /// Writes what a task wrote to its files, if there are to be some.
    pub(super) fn save(&mut self, index: usize, end: &End) -> Outcome<()> {
        let (Some(saved), Some(record)) = (&self.saved, self.turns.record(index)) else { return Ok(()) };
        let mut entry = saved.begin(record)?;
        if !end.command.streamed {
            entry.add(Stream::Out, &end.command.stdout)?;
            entry.add(Stream::Err, &end.command.stderr)?;
        }
        while let Some(piece) = self.spool.next(index)? {
            entry.add(piece.stream, &piece.data)?;
            self.breathe()?;
        }
        entry.end()
    }

    /// Prints the result of a task whose turn has come.
    pub(super) fn show(&mut self, due: &Due) -> Outcome<()> {
        let Due { index, record, end } = due;
        if self.lines.is_some() {
            return Ok(());
        }
        if !end.command.streamed {
            return self.printer.print(record, end, &self.progress);
        }
        // nothing is left of what was saved
        while let Some(piece) = self.spool.next(*index)? {
            self.printer.piece(record, end, piece.stream, &piece.data, piece.begins, &self.progress)?;
            self.breathe()?;
        }
        Ok(())
    }

    /// In the midst of much output: what is killed need not come to its end.
    fn breathe(&mut self) -> Outcome<()> {
        self.look_now_and_then();
        match self.stop.as_ref().and_then(Stop::killed_by) {
            Some(signal) => Err(Report::silent(Exit::Signal(signal))),
            None => Ok(()),
        }
    }
}
