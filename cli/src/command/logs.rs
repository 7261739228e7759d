//! `rpar logs`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::context::{Context, not_running};
use crate::command::arguments::LogsArguments;
use crate::command::exit::Exit;
use crate::command::output::json_line;
use crate::command::report::{Outcome, Report};

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(300);

/// How much of a log is read to find its last lines.
const TAIL_BYTES: u64 = 1 << 20;

pub(crate) fn run(context: &Context, arguments: &LogsArguments) -> Outcome {
    let directory = context.directory()?;
    if !directory.path.is_dir() {
        return Err(not_running(&directory));
    }
    let mut seen: BTreeMap<PathBuf, u64> = BTreeMap::new();
    let logs = logs(&directory.logs(), arguments.name.as_deref());
    if logs.is_empty() && !arguments.follow {
        let what =
            arguments.name.as_ref().map_or_else(String::new, |name| format!(" whose name contains `{name}`"));
        return Err(Report::new(Exit::Files, format!("no log{what} in {}", directory.logs().display())));
    }
    for path in logs {
        let text = last_lines(&path, arguments.lines);
        seen.insert(path.clone(), fs::metadata(&path).map_or(0, |data| data.len()));
        show(context, &path, &text)?;
    }
    while arguments.follow && directory.path.is_dir() {
        std::thread::sleep(LOOK);
        for path in self::logs(&directory.logs(), arguments.name.as_deref()) {
            let from = seen.entry(path.clone()).or_default();
            let text = read_from(&path, *from);
            if !text.is_empty() {
                *from += text.len() as u64;
                show(context, &path, &text)?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// The logs, the controller's first.
fn logs(directory: &Path, wanted: Option<&str>) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| wanted.is_none_or(|wanted| name(path).contains(wanted));
    let mut logs: Vec<PathBuf> = entries.filter(|path| path.is_file()).filter(named).collect();
    logs.sort_by_key(|path| (name(path) != "controller", path.clone()));
    logs
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn show(context: &Context, path: &Path, text: &[u8]) -> Result<(), Report> {
    if text.is_empty() {
        return Ok(());
    }
    if context.output.json {
        let document =
            |line: &[u8]| json_line(json!({ "log": name(path), "line": String::from_utf8_lossy(line) }));
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n').map(document);
        return context.output.answer(&lines.collect::<String>());
    }
    context.output.answer(&format!("==> {} <==\n", name(path)))?;
    context.output.bytes(text)?;
    if text.last() == Some(&b'\n') { Ok(()) } else { context.output.answer("\n") }
}

fn last_lines(path: &Path, count: usize) -> Vec<u8> {
    let length = fs::metadata(path).map_or(0, |data| data.len());
    let text = read_from(path, length.saturating_sub(TAIL_BYTES));
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let from = match count.checked_sub(1) {
        None => text.len(),
        Some(before) => breaks.nth(before).unwrap_or(0),
    };
    text[from..].to_vec()
}

fn read_from(path: &Path, from: u64) -> Vec<u8> {
    let mut text = Vec::new();
    // a log that goes away while it is read has nothing more to say
    if let Ok(mut file) = File::open(path)
        && file.seek(SeekFrom::Start(from)).is_ok()
    {
        let _ = file.take(TAIL_BYTES).read_to_end(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let last = |count| String::from_utf8(last_lines(&path, count)).unwrap();
        assert_eq!(last(0), "");
        assert_eq!(last(1), "three\n");
        assert_eq!(last(2), "two\nthree\n");
        assert_eq!(last(9), "one\ntwo\nthree\n");
    }
}
