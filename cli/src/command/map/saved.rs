//! `--results`: what tasks print, in files below one directory, in GNU parallel's places.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::lines::Stream;
use crate::command::exit::Exit;
use crate::command::input::Record;
use crate::command::report::{Outcome, Report};

/// The longest name of a file on Linux (`NAME_MAX`).
const NAME_LIMIT_BYTES: usize = 255;

/// What is kept of a longer one, before what tells it apart.
const CUT_BYTES: usize = 230;

/// The file that tells that a task has ended, and what it is called until then.
const STDOUT: &str = "stdout";
const PARTIAL: &str = "stdout.part";

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    directory: PathBuf,
    /// Which argument goes where: its index, and the name of its directory.
    names: Vec<(usize, Vec<u8>)>,
}

impl Saved {
    /// Arguments that have names go by these, in their order.
    pub(super) fn new(directory: &Path, names: &[Bytes]) -> Self {
        let mut names: Vec<(usize, Vec<u8>)> =
            names.iter().enumerate().map(|(index, argument)| (index, name(argument, 0))).collect();
        names.sort_by(|(_, a), (_, b)| a.cmp(b));
        Saved { directory: directory.to_owned(), names }
    }

    /// Whether a task has its files: it has ended.
    pub(super) fn has(&self, record: &Record) -> bool {
        self.place(record).join(STDOUT).exists()
    }

    /// Begins to write what a task has printed.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn begin(&self, record: &Record) -> Outcome<Entry> {
        let place = self.place(record);
        let open = || -> io::Result<[File; 2]> {
            fs::create_dir_all(&place)?;
            fs::write(place.join("seq"), record.number.to_string())?;
            Ok([File::create(place.join(PARTIAL))?, File::create(place.join("stderr"))?])
        };
        match open() {
            Ok(files) => Ok(Entry { place, files }),
            Err(error) => Err(failed(&place, &error)),
        }
    }

    /// `DIRECTORY/1/ARGUMENT/2/ARGUMENT`, and `DIRECTORY/1/ARGUMENT/2/ARGUMENT\#2` for the second task with these
    /// arguments.
    fn place(&self, record: &Record) -> PathBuf {
        let mut place = self.directory.clone();
        let count = record.arguments.len();
        let named = self.names.iter().map(|(index, name)| (*index, name.clone()));
        let numbered = (self.names.len()..count).map(|index| (index, (index + 1).to_string().into_bytes()));
        let mut left = count;
        for (index, title) in named.chain(numbered).filter(|(index, _)| *index < count) {
            left -= 1;
            place.push(OsString::from_vec(title));
            // pushing nothing would add a slash only: the same place, as GNU parallel has it
            let argument = record.arguments.get(index).map_or(&[][..], |argument| argument);
            place.push(OsString::from_vec(name(argument, if left == 0 { record.alike } else { 0 })));
        }
        if count == 0 {
            place.push(OsString::from_vec(name(b"", record.alike)));
        }
        place
    }
}

/// What one task has printed, while it is written.
#[derive(Debug)]
pub(super) struct Entry {
    place: PathBuf,
    files: [File; 2],
}

impl Entry {
    /// Adds what it wrote to a stream.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn add(&mut self, stream: Stream, data: &[u8]) -> Outcome<()> {
        self.files[stream as usize].write_all(data).map_err(|error| failed(&self.place, &error))
    }

    /// Ends with `stdout`, which tells that all is there.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn end(self) -> Outcome<()> {
        let Entry { place, .. } = self;
        fs::rename(place.join(PARTIAL), place.join(STDOUT)).map_err(|error| failed(&place, &error))
    }
}

fn failed(place: &Path, error: &io::Error) -> Report {
    Report::new(Exit::Files, format!("could not write results to {}", place.display()))
        .because(error.to_string())
}

/// An argument as the name of a directory, told apart from so many tasks before it that would have the same.
fn name(argument: &[u8], alike: u32) -> Vec<u8> {
    let mut name = Vec::with_capacity(argument.len());
    for byte in argument {
        match byte {
            b'\\' => name.extend(br"\\"),
            b'\t' => name.extend(br"\t"),
            b'/' => name.extend(br"\_"),
            _ => name.push(*byte),
        }
    }
    if name == b"." || name == b".." {
        // not this directory, nor the one above
        name = name.iter().flat_map(|dot| [b'\\', *dot]).collect();
    }
    if alike > 0 {
        // no argument is written so: its backslashes are doubled
        name.extend(format!(r"\#{}", u64::from(alike) + 1).into_bytes());
    }
    if name.len() > NAME_LIMIT_BYTES {
        let hash = Sha256::digest(&name);
        name.truncate(CUT_BYTES);
        name.extend(br"\#");
        name.extend(hash.iter().take(8).flat_map(|byte| format!("{byte:02x}").into_bytes()));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(arguments: &[&[u8]]) -> Record {
        let arguments = arguments.iter().map(|a| Bytes::copy_from_slice(a)).collect();
        Record { number: 7, arguments, alike: 0 }
    }

    #[test]
    fn every_argument_is_one_directory() {
        let saved = Saved::new(Path::new("r"), &[]);
        let cases: [(&[&[u8]], &str); 7] = [
            (&[b"a", b"b c"], "r/1/a/2/b c"),
            (&[b"../x/y"], r"r/1/..\_x\_y"),
            (&[b"a\\\tb"], r"r/1/a\\\tb"),
            (&[b"."], r"r/1/\."),
            (&[b".."], r"r/1/\.\."),
            (&[b""], "r/1/"),
            (&[b"", b"x"], "r/1/2/x"),
        ];
        for (arguments, expected) in cases {
            assert_eq!(saved.place(&record(arguments)), Path::new(expected), "{arguments:?}");
        }
        let alike = |arguments: &[&[u8]], alike| saved.place(&Record { alike, ..record(arguments) });
        assert_eq!(alike(&[], 0), Path::new("r/"));
        assert_eq!(alike(&[], 1), Path::new(r"r/\#2"));
        let named = Saved::new(Path::new("r"), &["z".into(), "a/b".into()]);
        let place = named.place(&Record { alike: 1, ..record(&[b"1", b"2", b"3"]) });
        assert_eq!(place, Path::new(r"r/a\_b/2/z/1/3/3\#2"));
        let long = |last: u8, alike| name(&[&[b'x'; 300][..], &[last]].concat(), alike);
        assert!(long(b'a', 0).len() <= NAME_LIMIT_BYTES && long(b'a', 0) != long(b'b', 0));
        assert!(long(b'a', 1).len() <= NAME_LIMIT_BYTES && long(b'a', 0) != long(b'a', 1));
        assert_eq!(alike(&[b"a", b"b"], 1), Path::new(r"r/1/a/2/b\#2"));
        assert_eq!(alike(&[b""], 2), Path::new(r"r/1/\#3"));
    }

    #[test]
    fn files_are_there_once_a_task_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let saved = Saved::new(directory.path(), &[]);
        let record = record(&[b"a/\xff"]);
        assert!(!saved.has(&record));
        let mut entry = saved.begin(&record).unwrap();
        entry.add(Stream::Out, b"o").unwrap();
        entry.add(Stream::Err, b"err").unwrap();
        entry.add(Stream::Out, b"ut").unwrap();
        assert!(!saved.has(&record));
        entry.end().unwrap();
        assert!(saved.has(&record));
        let read = |name: &str| fs::read_to_string(saved.place(&record).join(name)).unwrap();
        assert_eq!((read("stdout"), read("stderr"), read("seq")), ("out".into(), "err".into(), "7".into()));
        assert_eq!(fs::read_dir(saved.place(&record)).unwrap().count(), 3);
    }
}
