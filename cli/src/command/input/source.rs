//! One source of arguments.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::InputError;
use super::lines::Lines;

/// Where arguments come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Given after `:::`.
    List(Vec<OsString>),
    /// The lines of a file.
    File(PathBuf),
    /// The lines of stdin.
    Stdin,
}

/// Arguments, one after the other; ends after the first error.
pub(super) type Values = Box<dyn Iterator<Item = Result<Bytes, InputError>> + Send>;

impl Source {
    /// A file, or stdin where its name is `-`.
    pub(super) fn file(path: &Path) -> Self {
        if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.to_owned()) }
    }

    /// How many arguments there are, if that is known before reading.
    pub(super) fn known(&self) -> Option<u64> {
        match self {
            Source::List(list) => Some(list.len() as u64),
            Source::File(_) | Source::Stdin => None,
        }
    }

    /// Reads the arguments as they are asked for. `separator` ends each one in a file.
    pub(super) fn values(self, separator: u8) -> Values {
        match self {
            Source::List(list) => Box::new(list.into_iter().map(|word| Ok(word.into_vec().into()))),
            Source::Stdin => Box::new(Lines::new("stdin".into(), Box::new(io::stdin()), separator)),
            Source::File(path) => {
                let name = path.display().to_string();
                match File::open(&path) {
                    Ok(opened) => Box::new(Lines::new(name, Box::new(opened), separator)),
                    Err(source) => Box::new(std::iter::once(Err(InputError::Read { file: name, source }))),
                }
            }
        }
    }
}
