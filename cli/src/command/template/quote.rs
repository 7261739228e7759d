//! A task's command as a person would write it, to be read and pasted.

use rpar_core::id::EngineId;

use super::placeholder::{Placeholder, SLOT};
use super::{Piece, Quoting, Template};
use crate::command::input::Record;

impl Template {
    /// The command with its arguments in place, quoted so that a shell runs what the task runs. `{%}` is told by the
    /// environment until the engine that runs it is known.
    pub(crate) fn command_line(&self, record: &Record, engine: Option<EngineId>) -> Vec<u8> {
        let mut line = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Hole(Placeholder::Slot, quoting) => line.extend(slot(engine, *quoting).into_bytes()),
                Piece::Hole(placeholder, quoting) => {
                    let values = placeholder.values(record.arguments.len());
                    let values = values.into_iter().map(|value| value.of(record));
                    match quoting {
                        Quoting::Bare => {
                            line.extend(values.map(|value| quoted(&value)).collect::<Vec<_>>().join(&b' '));
                        }
                        _ => within(&values.collect::<Vec<_>>().join(&b' '), *quoting, &mut line),
                    }
                }
            }
        }
        line
    }
}

/// The slot of a task on this engine.
fn slot(engine: Option<EngineId>, quoting: Quoting) -> String {
    match (engine, quoting) {
        (Some(engine), _) => engine.slot().to_string(),
        (None, Quoting::Bare) => format!("\"${SLOT}\""),
        (None, Quoting::Single) => format!("'\"${SLOT}\"'"),
        (None, Quoting::Double | Quoting::Here) => format!("${{{SLOT}}}"),
    }
}

/// An argument as a word of its own.
fn quoted(argument: &[u8]) -> Vec<u8> {
    if argument.is_empty() {
        return b"''".to_vec();
    }
    if is_plain(argument) {
        return argument.to_vec();
    }
    let mut word = Vec::new();
    for run in argument.chunk_by(|a, b| (*a == b'\'') == (*b == b'\'')) {
        let quote = if run[0] == b'\'' { b'"' } else { b'\'' };
        word.push(quote);
        word.extend_from_slice(run);
        word.push(quote);
    }
    word
}

/// Text in the midst of other text: the quotes there end before it and begin anew after it.
fn within(text: &[u8], quoting: Quoting, line: &mut Vec<u8>) {
    let around: &[u8] = match quoting {
        Quoting::Single => b"'",
        Quoting::Double => b"\"",
        Quoting::Bare | Quoting::Here => b"",
    };
    if quoting == Quoting::Here {
        for byte in text {
            if b"\\$`".contains(byte) {
                line.push(b'\\');
            }
            line.push(*byte);
        }
    } else if text.is_empty() || is_plain(text) {
        line.extend_from_slice(text);
    } else {
        line.extend_from_slice(around);
        line.extend(quoted(text));
        line.extend_from_slice(around);
    }
}

/// Whether these mean themselves in every shell, quoted or not.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-./+".contains(byte))
}
