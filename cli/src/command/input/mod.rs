//! The command of `map` and where its arguments come from: lists on the command line, files, stdin, and products of
//! those, as GNU parallel's users write them.

mod error;
mod header;
mod lines;
mod product;
mod records;
mod share;
mod source;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use bytes::Bytes;

pub(crate) use self::error::InputError;
use self::product::{Cut, Product};
pub(crate) use self::records::{COLUMNS_LIMIT, Record, Records};
use self::source::Source;
use crate::command::arguments::InputArguments;
use crate::command::template::is_placeholder;

/// A command and its arguments.
#[derive(Debug)]
pub(crate) struct Input {
    /// The command's words, joined by blanks as GNU parallel does.
    pub(crate) command: String,
    /// Linked sources give one value each to a row; the rows of all groups make a product. Never empty.
    groups: Vec<Vec<Source>>,
    cut: Cut,
    /// What ends an argument in a file.
    separator: u8,
    /// Each source begins with names.
    header: bool,
    shuffle: bool,
    /// Rows that make a task; `None`: as many as fit.
    rows: Option<usize>,
}

/// An input whose names are read, and that is ready to be read on.
pub(crate) struct Opened {
    /// The command, in which names are replaced.
    pub(crate) command: String,
    /// The names of columns, as far as they have some.
    pub(crate) names: Vec<Bytes>,
    /// How many tasks there will be, if that is known before reading.
    pub(crate) known: Option<u64>,
    /// How many arguments a record has at most, where that is known.
    pub(crate) columns: Option<usize>,
    pub(crate) records: Records,
}

impl Opened {
    /// A text with placeholders, in which names are replaced.
    pub(crate) fn numbered(&self, text: &str) -> String {
        header::numbered(text, &self.names)
    }
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
        let command = match arguments.quote {
            true => words?.into_iter().map(quoted).collect::<Vec<_>>().join(" "),
            false => words?.join(" "),
        };
        Ok(Input {
            command,
            groups,
            cut: Cut { columns: arguments.colsep.clone(), trim: arguments.trim },
            separator: if arguments.null { 0 } else { b'\n' },
            header: arguments.header.is_some(),
            shuffle: arguments.shuf,
            rows: if arguments.many { None } else { Some(arguments.max_replace_args.map_or(1, usize::from)) },
        })
    }

    /// Whether arguments come from the user's own hand.
    pub(crate) fn reads_terminal(&self) -> bool {
        self.reads_stdin() && std::io::stdin().is_terminal()
    }

    fn reads_stdin(&self) -> bool {
        self.groups.iter().flatten().any(|source| *source == Source::Stdin)
    }

    /// How many tasks there will be, if that is known before reading.
    fn known(&self) -> Option<u64> {
        // the shortest of linked sources ends them all
        let rows = |sources: &Vec<Source>| {
            let known: Option<Vec<u64>> = sources.iter().map(Source::known).collect();
            known?.into_iter().min().map(|rows| rows.saturating_sub(self.header.into()))
        };
        let product = |product: u64, rows: Option<u64>| Some(product.saturating_mul(rows?));
        let rows = self.groups.iter().map(rows).try_fold(1, product)?;
        match self.rows {
            Some(each) => Some(rows.div_ceil(each.max(1) as u64)),
            None => Some(0).filter(|_| rows == 0),
        }
    }

    /// How many columns each record has at most, where that is the same for all.
    fn columns(&self) -> Option<usize> {
        let sources = self.groups.iter().map(Vec::len).sum::<usize>();
        self.rows.filter(|_| self.cut.columns.is_none()).map(|rows| sources * rows)
    }

    /// Opens the sources, and reads the names. After that, arguments are read as they are asked for, unless they are to be
    /// shuffled. Only the first sources are read while tasks run; those of the product that vary faster are kept.
    ///
    /// # Errors
    /// When names cannot be read, or what is to be shuffled.
    pub(crate) fn open(self) -> Result<Opened, InputError> {
        let (known, columns) = (self.known(), self.columns());
        let mut product = Product::new(self.groups, self.separator, &self.cut);
        let names = if self.header { product.header()? } else { Vec::new() };
        let command = header::numbered(&self.command, &names);
        let records = Records::new(product, self.rows);
        let records = if self.shuffle { records.shuffled()? } else { records };
        Ok(Opened { command, names, known, columns, records })
    }
}

/// A word of the command that means itself to the shell, but for its placeholders.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+".contains(c);
    if is_placeholder(word) || !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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
