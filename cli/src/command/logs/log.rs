//! One log that is read from where it was left.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How much of a log is read at once, and how much of its end to find its last lines.
const PART_BYTES: u64 = 1 << 20;

/// A log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// It stays readable when the cluster's directory is removed.
    file: Option<File>,
    at: u64,
}

impl Log {
    /// Reads a log from its beginning.
    pub(super) fn open(path: &Path) -> Self {
        Log { path: path.to_owned(), file: File::open(path).ok(), at: 0 }
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        name(&self.path)
    }

    /// Its last lines up to now; goes on behind them.
    pub(super) fn last_lines(&mut self, count: usize) -> Vec<u8> {
        let length = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |data| data.len());
        self.at = length.saturating_sub(PART_BYTES);
        let text = self.read();
        let body = text.strip_suffix(b"\n").unwrap_or(&text);
        let mut breaks =
            body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let from = match count.checked_sub(1) {
            None => text.len(),
            Some(before) => breaks.nth(before).unwrap_or(0),
        };
        text[from..].to_vec()
    }

    /// What was written since, as far as a part goes: whole lines, unless it is `over` and nothing more will come, or a
    /// line is longer than a part.
    pub(super) fn more(&mut self, over: bool) -> Vec<u8> {
        let mut text = self.read();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let full = text.len() as u64 == PART_BYTES;
        if full && whole > 0 || !full && !over {
            self.at -= (text.len() - whole) as u64;
            text.truncate(whole);
        }
        text
    }

    /// Whether another file has its name now: a cluster of the same name was started anew.
    pub(super) fn is_replaced(&self) -> bool {
        let there = fs::metadata(&self.path).ok();
        let ours = self.file.as_ref().and_then(|file| file.metadata().ok());
        there.zip(ours).is_some_and(|(there, ours)| (there.dev(), there.ino()) != (ours.dev(), ours.ino()))
    }

    fn read(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        // what cannot be read has nothing to say
        if let Some(file) = &mut self.file
            && file.seek(SeekFrom::Start(self.at)).is_ok()
        {
            let _ = file.take(PART_BYTES).read_to_end(&mut text);
        }
        self.at += text.len() as u64;
        text
    }
}

/// What people call the log in a file.
pub(super) fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_last_lines_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let last = |count| text(Log::open(&path).last_lines(count));
        assert_eq!(last(0), "");
        assert_eq!(last(1), "three\n");
        assert_eq!(last(2), "two\nthree\n");
        assert_eq!(last(9), "one\ntwo\nthree\n");
    }

    #[test]
    fn what_comes_later_comes_in_lines_and_to_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        write!(file, "one\ntw").unwrap();
        let mut log = Log::open(&path);
        assert_eq!(text(log.last_lines(0)), "");
        write!(file, "o\nthree\nfo").unwrap();
        assert_eq!((text(log.more(false)), log.name().as_str()), ("o\nthree\n".into(), "a"));
        assert_eq!(text(log.more(false)), "");
        // its directory goes, and with it the name, but not what was written
        write!(file, "ur").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!log.is_replaced());
        assert_eq!(text(log.more(true)), "four");
        fs::write(&path, "anew\n").unwrap();
        assert!(log.is_replaced());
    }
}
