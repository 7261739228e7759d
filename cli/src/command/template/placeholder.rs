//! What stands for arguments in a command. The names are GNU parallel's replacement strings, which users know.

use std::fmt;

use bytes::Bytes;

use crate::command::input::Record;

/// The environment variable in which engines tell a command's slot; GNU parallel's name.
pub(super) const SLOT: &str = "PARALLEL_JOBSLOT";

/// Something in braces that stands for an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// `{#}`: the task's number, from 1.
    Number,
    /// `{%}`: a number, from 1, that no other task has which runs at the same time.
    Slot,
    /// An argument, or all of them.
    Argument(Column, Form),
}

/// Which argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// `{}`: each of them.
    All,
    /// `{2}`: this one, from 1.
    FromStart(usize),
    /// `{-1}`: this one, from the last one on.
    FromEnd(usize),
}

/// What of the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{}`: all of it.
    Whole,
    /// `{.}`: without its extension.
    Stem,
    /// `{/}`: without its directory.
    Base,
    /// `{//}`: only its directory.
    Directory,
    /// `{/.}`: without directory and extension.
    BaseStem,
}

/// The forms and how they are written.
const FORMS: [(&str, Form); 5] = [
    ("", Form::Whole),
    (".", Form::Stem),
    ("/", Form::Base),
    ("//", Form::Directory),
    ("/.", Form::BaseStem),
];

/// One positional parameter's worth of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The task's number.
    Number,
    /// What the engine has in [`SLOT`].
    Slot,
    /// The argument at this place, from 0, in this form.
    Argument(usize, Form),
}

impl Placeholder {
    /// The placeholder that `text` begins with, and its length.
    pub(super) fn read(text: &str) -> Option<(usize, Self)> {
        let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
        let length = inside.len() + 2;
        match inside {
            "#" => return Some((length, Placeholder::Number)),
            "%" => return Some((length, Placeholder::Slot)),
            _ => {}
        }
        let digits = inside.trim_end_matches(['.', '/']);
        let (_, form) = *FORMS.iter().find(|(suffix, _)| *suffix == &inside[digits.len()..])?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            plain.then(|| digits.parse().ok()).flatten()
        };
        let column = match digits.strip_prefix('-') {
            _ if digits.is_empty() => Column::All,
            None => Column::FromStart(number(digits)?),
            Some(digits) => Column::FromEnd(number(digits)?),
        };
        Some((length, Placeholder::Argument(column, form)))
    }

    /// Whether it stands for digits alone, which are safe wherever a shell looks.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Placeholder::Number | Placeholder::Slot)
    }

    /// Whether a task of so many arguments has what this stands for.
    pub(super) fn is_within(&self, columns: usize) -> bool {
        match self {
            Placeholder::Argument(Column::FromStart(number) | Column::FromEnd(number), _) => {
                *number <= columns
            }
            _ => true,
        }
    }

    /// What it stands for when a task has so many arguments; nothing for one that is not there.
    pub(super) fn values(&self, columns: usize) -> Vec<Value> {
        if !self.is_within(columns) {
            return Vec::new();
        }
        match *self {
            Placeholder::Number => vec![Value::Number],
            Placeholder::Slot => vec![Value::Slot],
            Placeholder::Argument(Column::All, form) => {
                (0..columns).map(|column| Value::Argument(column, form)).collect()
            }
            Placeholder::Argument(Column::FromStart(number), form) => vec![Value::Argument(number - 1, form)],
            Placeholder::Argument(Column::FromEnd(number), form) => {
                vec![Value::Argument(columns - number, form)]
            }
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (column, form) = match self {
            Placeholder::Number => return f.write_str("{#}"),
            Placeholder::Slot => return f.write_str("{%}"),
            Placeholder::Argument(column, form) => (column, form),
        };
        let suffix = FORMS.iter().find(|(_, known)| known == form).map_or("", |(suffix, _)| suffix);
        match column {
            Column::All => write!(f, "{{{suffix}}}"),
            Column::FromStart(number) => write!(f, "{{{number}{suffix}}}"),
            Column::FromEnd(number) => write!(f, "{{-{number}{suffix}}}"),
        }
    }
}

impl Value {
    /// Its bytes for one task; none that are known before the task runs.
    pub(super) fn of(self, record: &Record) -> Bytes {
        match self {
            Value::Number => record.number.to_string().into(),
            Value::Slot => Bytes::new(),
            Value::Argument(column, form) => {
                record.arguments.get(column).map_or_else(Bytes::new, |argument| form.of(argument))
            }
        }
    }
}

impl Form {
    fn of(self, argument: &Bytes) -> Bytes {
        let base = argument.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let dot =
            argument.iter().skip(base).rposition(|b| *b == b'.').map_or(argument.len(), |dot| base + dot);
        match self {
            Form::Whole => argument.clone(),
            Form::Stem => argument.slice(..dot),
            Form::Base => argument.slice(base..),
            Form::BaseStem => argument.slice(base..dot),
            Form::Directory => directory(argument),
        }
    }
}

/// The directory as dirname(1) has it: slashes at its end, or at the argument's, do not count.
fn directory(argument: &Bytes) -> Bytes {
    let end = |bytes: &[u8]| bytes.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
    let named = end(argument);
    match argument[..named].iter().rposition(|b| *b == b'/') {
        None if named == 0 && !argument.is_empty() => Bytes::from_static(b"/"),
        None => Bytes::from_static(b"."),
        Some(slash) => match end(&argument[..slash]) {
            0 => Bytes::from_static(b"/"),
            end => argument.slice(..end),
        },
    }
}
