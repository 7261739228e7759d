//! Where `map`'s arguments come from: `::: ARGS`, `:::: FILES`, or the lines of stdin, read no faster than needed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use bytes::Bytes;
use thiserror::Error;

/// The longest argument that Linux passes to a program, execve(2): 32 pages, the closing NUL among them.
const ARGUMENT_LIMIT_BYTES: u64 = 32 * 4096 - 1;

/// The command and where its arguments come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) command: String,
    pub(super) source: Source,
}

/// Where arguments come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Given after `:::`.
    List(Vec<OsString>),
    /// The lines of the files given after `::::`; `-` is stdin.
    Files(Vec<PathBuf>),
    /// The lines of stdin.
    Stdin,
}

/// The arguments cannot be read.
#[derive(Debug, Error)]
pub(super) enum InputError {
    #[error("no command before `{separator}`")]
    NoCommand { separator: String },
    #[error("the command is not valid UTF-8: {lossy}")]
    NotText { lossy: String },
    #[error("more than one list of arguments: found a second `{separator}`")]
    TwoLists { separator: String },
    #[error("could not read arguments from {file}")]
    Read { file: String, source: io::Error },
    #[error(
        "argument {number} from {file} is longer than the {ARGUMENT_LIMIT_BYTES} bytes that Linux passes to a program"
    )]
    TooLong { file: String, number: u64 },
    #[error("argument {number} from {file} holds a NUL byte")]
    Nul { file: String, number: u64 },
}

impl InputError {
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            InputError::NoCommand { .. } => Some("rpar map 'COMMAND {}' ::: ARGUMENTS"),
            InputError::TwoLists { .. } => {
                Some("one list at a time: put the pairs on lines, and split them in the command")
            }
            InputError::TooLong { .. } => {
                Some("give the names of files as arguments, and what is long in those files")
            }
            InputError::Nul { .. } => Some("lists separated by NUL, as of find -print0, need --null"),
            _ => None,
        }
    }
}

impl Input {
    /// Takes the words after `map`'s options: the command's words are joined by blanks, as GNU parallel does.
    pub(super) fn parse(words: Vec<OsString>) -> Result<Self, InputError> {
        let mut words = words.into_iter();
        let mut command = Vec::new();
        let mut separator = None;
        for word in words.by_ref() {
            if word == ":::" || word == "::::" {
                separator = Some(word);
                break;
            }
            command.push(
                word.into_string()
                    .map_err(|word| InputError::NotText { lossy: word.to_string_lossy().into_owned() })?,
            );
        }
        let rest: Vec<OsString> = words.collect();
        if let Some(second) = rest.iter().find(|word| *word == ":::" || *word == "::::") {
            return Err(InputError::TwoLists { separator: second.to_string_lossy().into_owned() });
        }
        let source = match separator.as_ref().and_then(|s| s.to_str()) {
            Some(separator) if command.is_empty() => {
                return Err(InputError::NoCommand { separator: separator.to_owned() });
            }
            Some(":::") => Source::List(rest),
            Some(_) => Source::Files(rest.into_iter().map(PathBuf::from).collect()),
            None => Source::Stdin,
        };
        Ok(Input { command: command.join(" "), source })
    }
}

/// Arguments, one after the other; ends after the first error.
pub(super) type Arguments = Box<dyn Iterator<Item = Result<Bytes, InputError>> + Send>;

impl Source {
    /// How many arguments there are, if that is known before reading.
    pub(super) fn known(&self) -> Option<u64> {
        match self {
            Source::List(list) => Some(list.len() as u64),
            Source::Files(_) | Source::Stdin => None,
        }
    }

    /// Reads the arguments as they are asked for. `separator` ends each one in a file.
    pub(super) fn arguments(self, separator: u8) -> Arguments {
        match self {
            Source::List(list) => Box::new(list.into_iter().map(|word| Ok(word.into_vec().into()))),
            Source::Stdin => Box::new(Lines::new("stdin".into(), Box::new(io::stdin()), separator)),
            Source::Files(files) => Box::new(files.into_iter().flat_map(move |file| -> Arguments {
                if file.as_os_str() == "-" {
                    return Source::Stdin.arguments(separator);
                }
                let name = file.display().to_string();
                match File::open(&file) {
                    Ok(opened) => Box::new(Lines::new(name, Box::new(opened), separator)),
                    Err(source) => Box::new(std::iter::once(Err(InputError::Read { file: name, source }))),
                }
            })),
        }
    }
}

struct Lines {
    file: String,
    reader: BufReader<Box<dyn Read + Send>>,
    separator: u8,
    number: u64,
}

impl Lines {
    fn new(file: String, reader: Box<dyn Read + Send>, separator: u8) -> Self {
        Lines { file, reader: BufReader::with_capacity(64 << 10, reader), separator, number: 0 }
    }
}

impl Iterator for Lines {
    type Item = Result<Bytes, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(ARGUMENT_LIMIT_BYTES + 1);
        if let Err(source) = limited.read_until(self.separator, &mut line) {
            return Some(Err(InputError::Read { file: self.file.clone(), source }));
        }
        if line.is_empty() {
            return None;
        }
        self.number += 1;
        let (file, number) = (self.file.clone(), self.number);
        if line.last() == Some(&self.separator) {
            line.pop();
        } else if line.len() as u64 > ARGUMENT_LIMIT_BYTES {
            return Some(Err(InputError::TooLong { file, number }));
        }
        if line.contains(&0) {
            return Some(Err(InputError::Nul { file, number }));
        }
        Some(Ok(line.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn lists_files_and_stdin() {
        let parse = |text| Input::parse(words(text)).unwrap();
        let list = parse("gzip -k {} ::: a -b");
        assert_eq!(list.command, "gzip -k {}");
        assert_eq!(list.source, Source::List(vec!["a".into(), "-b".into()]));
        assert_eq!(parse("gzip :::: list").source, Source::Files(vec!["list".into()]));
        assert_eq!(parse("gzip").source, Source::Stdin);
        assert_eq!(parse("gzip :::").source.known(), Some(0));
        assert!(matches!(Input::parse(words("::: a")), Err(InputError::NoCommand { .. })));
        assert!(matches!(Input::parse(words("x ::: a ::: b")), Err(InputError::TwoLists { .. })));
    }

    fn lines(text: &[u8], separator: u8) -> Vec<Result<Bytes, InputError>> {
        Lines::new("f".into(), Box::new(io::Cursor::new(text.to_vec())), separator).collect()
    }

    #[test]
    fn each_line_is_an_argument() {
        let read = |text: &[u8], separator| {
            lines(text, separator).into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(read(b"a\n\nb c\r\nlast", b'\n'), ["a", "", "b c\r", "last"]);
        assert_eq!(read(b"a\nb\0c\0", 0), ["a\nb", "c"]);
        assert!(read(b"", b'\n').is_empty());
    }

    #[test]
    fn what_no_program_can_take_is_refused() {
        assert!(matches!(lines(b"a\nb\0\n", b'\n')[1], Err(InputError::Nul { number: 2, .. })));
        let limit = ARGUMENT_LIMIT_BYTES as usize;
        assert_eq!(
            lines(&[vec![b'x'; limit], vec![b'\n']].concat(), b'\n')[0].as_ref().unwrap().len(),
            limit
        );
        assert!(matches!(
            lines(&vec![b'x'; limit + 1], b'\n')[0],
            Err(InputError::TooLong { number: 1, .. })
        ));
    }
}
