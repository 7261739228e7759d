//! Results on their way to the user's eyes, or to the next program.

use serde_json::{Value, json};

use super::super::task::End;
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
}

impl Printer {
    pub(super) fn new(output: Output, tag: bool, mute: bool) -> Self {
        Printer { output, answers: output.answers(), tag, mute }
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
        let (stdout, stderr) = (&end.command.stdout, &end.command.stderr);
        match self.tag {
            true => self.answers.write(&tagged(record, stdout))?,
            false => self.answers.write(stdout)?,
        }
        if !stderr.is_empty() {
            self.flush(progress)?;
            progress.suspend(|| match self.tag {
                true => self.output.diagnostics(&tagged(record, stderr)),
                false => self.output.diagnostics(stderr),
            });
        }
        Ok(())
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

/// The text with the task's arguments and a tab before each line.
fn tagged(record: &Record, text: &[u8]) -> Vec<u8> {
    let tag = record.whole();
    let mut tagged = Vec::with_capacity(text.len() + tag.len() + 1);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        tagged.extend_from_slice(&tag);
        tagged.push(b'\t');
        tagged.extend_from_slice(line);
    }
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_before_each_line() {
        let record = Record { number: 1, arguments: vec!["a b".into(), "c".into()] };
        assert_eq!(tagged(&record, b"x\n\ny"), b"a b c\tx\na b c\t\na b c\ty");
        assert!(tagged(&record, b"").is_empty());
    }
}
