//! The command of `map` and where its arguments come from: lists on the command line, files, stdin, and products of
//! those, as GNU parallel's users write them.

mod error;
mod lines;
mod records;
mod source;

use std::ffi::OsString;
use std::path::PathBuf;

use regex::bytes::Regex;

pub(crate) use self::error::InputError;
pub(crate) use self::records::{COLUMNS_LIMIT, Record, Records};
use self::source::Source;
use crate::command::arguments::InputArguments;

/// A command and its arguments.
#[derive(Debug)]
pub(crate) struct Input {
    /// The command's words, joined by blanks as GNU parallel does.
    pub(crate) command: String,
    /// Linked sources give one value each to a row; the rows of all groups make a product. Never empty.
    groups: Vec<Vec<Source>>,
    columns: Option<Regex>,
    /// What ends an argument in a file.
    separator: u8,
}

impl Input {
    /// Takes the words after the options: the command, then `::: ARGUMENTS`, `:::: FILES`, and these with a `+` when
    /// they are linked to the source before them. Without any of those the arguments are the lines of stdin.
    ///
    /// # Errors
    /// When they make no sense. Nothing is opened yet.
    pub(crate) fn parse(words: &[OsString], arguments: &InputArguments) -> Result<Self, InputError> {
        let mut parts = words.chunk_by(|_, next| !is_separator(next));
        let mut groups: Vec<Vec<Source>> =
            arguments.arg_file.iter().map(|file| vec![Source::file(file)]).collect();
        let command = match words.first() {
            Some(word) if !is_separator(word) => parts.next().unwrap_or_default(),
            Some(word) => return Err(InputError::NoCommand { separator: word.to_string_lossy().into() }),
            None => &[],
        };
        for part in parts {
            let [separator, values @ ..] = part else { continue };
            let linked = separator.to_string_lossy().ends_with('+');
            if separator.to_string_lossy().starts_with("::::") {
                for file in values {
                    add(&mut groups, Source::file(&PathBuf::from(file)), linked.then_some(separator))?;
                }
            } else {
                add(&mut groups, Source::List(values.to_vec()), linked.then_some(separator))?;
            }
        }
        if groups.is_empty() {
            groups.push(vec![Source::Stdin]);
        }
        if groups.iter().flatten().filter(|source| **source == Source::Stdin).count() > 1 {
            return Err(InputError::StdinTwice);
        }
        let words: Result<Vec<&str>, InputError> = command.iter().map(text).collect();
        Ok(Input {
            command: words?.join(" "),
            groups,
            columns: arguments.colsep.clone(),
            separator: if arguments.null { 0 } else { b'\n' },
        })
    }

    /// Whether arguments come from stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.groups.iter().flatten().any(|source| *source == Source::Stdin)
    }

    /// How many tasks there will be, if that is known before reading.
    pub(crate) fn known(&self) -> Option<u64> {
        // the shortest of linked sources ends them all
        let rows = |sources: &Vec<Source>| {
            let known: Option<Vec<u64>> = sources.iter().map(Source::known).collect();
            known?.into_iter().min()
        };
        self.groups.iter().map(rows).try_fold(1u64, |product, rows| Some(product.saturating_mul(rows?)))
    }

    /// How many columns each record has, where that is the same for all.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns.is_none().then(|| self.groups.iter().map(Vec::len).sum())
    }

    /// Reads the arguments as they are asked for. Only the first sources are read while tasks run; those of the product
    /// that vary faster are kept.
    pub(crate) fn records(self) -> Records {
        Records::new(self.groups, self.columns, self.separator)
    }
}

/// Adds a source: to the last group when it is linked.
fn add(groups: &mut Vec<Vec<Source>>, source: Source, linked: Option<&OsString>) -> Result<(), InputError> {
    match (linked, groups.last_mut()) {
        (None, _) => groups.push(vec![source]),
        (Some(_), Some(last)) => last.push(source),
        (Some(separator), None) => {
            return Err(InputError::NothingToLink { separator: separator.to_string_lossy().into() });
        }
    }
    Ok(())
}

fn is_separator(word: &OsString) -> bool {
    [":::", "::::", ":::+", "::::+"].iter().any(|separator| word == separator)
}

fn text(word: &OsString) -> Result<&str, InputError> {
    word.to_str().ok_or_else(|| InputError::NotText { lossy: word.to_string_lossy().into_owned() })
}

#[cfg(test)]
mod tests;
