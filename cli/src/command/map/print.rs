//! Results on their way to the user's eyes, or to the next program.

use serde_json::{Value, json};

use super::super::task::End;
use super::lines::{Stream, Try};
use crate::command::input::Record;
use crate::command::output::{Answers, Output, Progress, json_line};
use crate::command::report::Outcome;
use crate::command::template::Text;

/// Prints results, one task after the other.
#[derive(Debug)]
pub(super) struct Printer {
    output: Output,
    answers: Answers,
    /// What each line begins with, before a tab.
    tag: Option<Text>,
    /// What tasks print goes elsewhere.
    mute: bool,
    /// Whose last line has no end yet, on stdout and on stderr: which task's, at which try.
    open: [Option<(u64, u16)>; 2],
}

impl Printer {
    pub(super) fn new(output: Output, tag: Option<Text>, mute: bool) -> Self {
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
        self.piece(record, end, Stream::Out, &end.command.stdout, true, progress)?;
        self.piece(record, end, Stream::Err, &end.command.stderr, true, progress)
    }

    /// Prints a piece of what a task wrote; it `begins` a line, or goes on with the one before.
    ///
    /// # Errors
    /// As of [`print`](Self::print).
    pub(super) fn piece(
        &mut self,
        record: &Record,
        end: &End,
        stream: Stream,
        text: &[u8],
        begins: bool,
        progress: &Progress,
    ) -> Outcome<()> {
        match self.tag.as_ref().map(|tag| tag.of(record, end.engine)) {
            Some(tag) => self.write(stream, &tagged(&tag, text, begins), progress),
            None => self.write(stream, text, progress),
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
        by: Try,
        stream: Stream,
        text: &[u8],
        progress: &Progress,
    ) -> Outcome<()> {
        let (own, open) = ((record.number, by.attempt), self.open[stream as usize]);
        let begins = open != Some(own);
        let mut lines = if open.is_some() && begins { vec![b'\n'] } else { Vec::new() };
        match self.tag.as_ref().map(|tag| tag.of(record, by.engine)) {
            Some(tag) => lines.extend(tagged(&tag, text, begins)),
            None => lines.extend_from_slice(text),
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

/// The text with the tag and a tab before each line; before the first one only if that `begins` there.
fn tagged(tag: &[u8], text: &[u8], begins: bool) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(text.len() + tag.len() + 1);
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if at > 0 || begins {
            tagged.extend_from_slice(tag);
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
        assert_eq!(tagged(b"a b", b"x\n\ny", true), b"a b\tx\na b\t\na b\ty");
        assert_eq!(tagged(b"a", b"x\ny", false), b"x\na\ty", "the first goes on");
        assert!(tagged(b"a", b"", true).is_empty());
    }
}
