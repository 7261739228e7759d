//! Results on their way to the user's eyes, or to the next program.

use serde_json::{Value, json};

use super::super::task::End;
use super::lines::Stream;
use crate::command::input::Record;
use crate::command::output::{Answers, Output, Progress, json_line};
use crate::command::report::Outcome;

/// Prints results, one task after the other.
#[derive(Debug)]
pub(super) struct Printer {
    output: Output,
    answers: Answers,
    /// Each line begins with its task's arguments.
    tag: bool,
    /// What tasks print goes elsewhere.
    mute: bool,
    /// Whose last line has no end yet, on stdout and on stderr.
    open: [Option<Try>; 2],
}

/// One try at a task: whose lines these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Try {
    number: u64,
    attempt: u16,
}

impl Printer {
    pub(super) fn new(output: Output, tag: bool, mute: bool) -> Self {
        Printer { output, answers: output.answers(), tag, mute, open: [None; 2] }
    }

    /// Prints how a task ended. What goes to stdout waits for [`flush`](Self::flush), unless there is much of it.
    ///
    /// # Errors
    /// When nobody reads it any more, or it cannot be written.
    pub(super) fn print(&mut self, record: &Record, end: &End, progress: &Progress) -> Outcome<()> {
        if self.output.json {
            return self.answers.write(json_line(document(record, end)).as_bytes());
        }
        if self.mute {
            return Ok(());
        }
        self.piece(record, Stream::Out, &end.command.stdout, true, progress)?;
        self.piece(record, Stream::Err, &end.command.stderr, true, progress)
    }

    /// Prints a piece of what a task wrote; it `begins` a line, or goes on with the one before.
    ///
    /// # Errors
    /// As of [`print`](Self::print).
    pub(super) fn piece(
        &mut self,
        record: &Record,
        stream: Stream,
        text: &[u8],
        begins: bool,
        progress: &Progress,
    ) -> Outcome<()> {
        match self.tag {
            true => self.write(stream, &tagged(record, text, begins), progress),
            false => self.write(stream, text, progress),
        }
    }

    fn write(&mut self, stream: Stream, text: &[u8], progress: &Progress) -> Outcome<()> {
        match stream {
            Stream::Out => self.answers.write(text)?,
            Stream::Err if text.is_empty() => {}
            Stream::Err => {
                self.flush(progress)?;
                progress.suspend(|| self.output.diagnostics(text));
            }
        }
        Ok(())
    }

    /// Prints lines that a running task has written; the last one may have no end yet. Another task's begin on a line of
    /// their own.
    ///
    /// # Errors
    /// As of [`print`](Self::print).
    pub(super) fn lines(
        &mut self,
        record: &Record,
        attempt: u16,
        stream: Stream,
        text: &[u8],
        progress: &Progress,
    ) -> Outcome<()> {
        let (own, open) = (Try { number: record.number, attempt }, self.open[stream as usize]);
        let begins = open != Some(own);
        let mut lines = if open.is_some() && begins { vec![b'\n'] } else { Vec::new() };
        match self.tag {
            true => lines.extend(tagged(record, text, begins)),
            false => lines.extend_from_slice(text),
        }
        self.open[stream as usize] = (!text.ends_with(b"\n")).then_some(own);
        self.write(stream, &lines, progress)
    }

    /// Prints a document of its own, at once.
    ///
    /// # Errors
    /// As of [`print`](Self::print).
    pub(super) fn document(&mut self, document: Value, progress: &Progress) -> Outcome<()> {
        self.answers.write(json_line(document).as_bytes())?;
        self.flush(progress)
    }

    /// Writes out what waits.
    ///
    /// # Errors
    /// As of [`print`](Self::print).
    pub(super) fn flush(&mut self, progress: &Progress) -> Outcome<()> {
        if self.answers.is_empty() {
            return Ok(());
        }
        progress.suspend(|| self.answers.flush())
    }
}

fn document(record: &Record, end: &End) -> Value {
    let mut document = end.document();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    document["task"] = json!(record.number);
    document["argument"] = json!(text(&record.whole()));
    document["arguments"] = record.arguments.iter().map(|argument| text(argument)).collect();
    document
}

/// The text with the task's arguments and a tab before each line; before the first one only if that `begins` there.
fn tagged(record: &Record, text: &[u8], begins: bool) -> Vec<u8> {
    let tag = record.whole();
    let mut tagged = Vec::with_capacity(text.len() + tag.len() + 1);
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if at > 0 || begins {
            tagged.extend_from_slice(&tag);
            tagged.push(b'\t');
        }
        tagged.extend_from_slice(line);
    }
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_before_each_line() {
        let record = Record { number: 1, arguments: vec!["a b".into(), "c".into()], alike: 0 };
        assert_eq!(tagged(&record, b"x\n\ny", true), b"a b c\tx\na b c\t\na b c\ty");
        assert_eq!(tagged(&record, b"x\ny", false), b"x\na b c\ty", "the first goes on");
        assert!(tagged(&record, b"", true).is_empty());
    }
}
