//! `--joblog`: a line in a file for each task that has ended, in GNU parallel's columns.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::super::task::End;
use crate::command::exit::Exit;
use crate::command::input::Record;
use crate::command::report::{Outcome, Report};

/// The first line.
const HEADING: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// What stands for the exit status of a task that has none of its own.
const NO_EXIT: i32 = -1;

/// The file, open.
#[derive(Debug)]
pub(super) struct Joblog {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Joblog {
    /// Begins the file anew, or goes on after its first `keep` bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn open(path: &Path, keep: u64) -> Outcome<Self> {
        let open = || {
            let mut file = OpenOptions::new().create(true).write(true).truncate(keep == 0).open(path)?;
            if keep == 0 {
                file.write_all(HEADING.as_bytes())?;
            } else {
                // a line that was torn by its writer's end goes
                file.set_len(keep)?;
                file.seek(SeekFrom::End(0))?;
            }
            Ok(file)
        };
        let file = open().map_err(|error| failed(path, "write", &error))?;
        Ok(Joblog { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Adds the end of a task; [`flush`](Self::flush) has it written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(&mut self, record: &Record, command: &[u8], end: &End) -> Outcome<()> {
        let (exit, signal) = codes(end);
        let started = end.started.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let line = format!(
            "{}\t{}\t{:.3}\t{:10.3}\t0\t{}\t{exit}\t{signal}\t",
            record.number,
            end.node.as_deref().unwrap_or(":"),
            started.as_secs_f64(),
            end.ran.as_secs_f64(),
            end.stdout_bytes,
        );
        let mut line = line.into_bytes();
        // a task has one line: GNU parallel, too, writes NUL in place of a line's end
        line.extend(command.iter().map(|byte| if *byte == b'\n' { 0 } else { *byte }));
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| failed(&self.path, "write", &error))
    }

    /// Writes out what was added.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn flush(&mut self) -> Outcome<()> {
        self.file.flush().map_err(|error| failed(&self.path, "write", &error))
    }
}

/// The exit status and the signal of a task's line: both 0 only if it ended well.
fn codes(end: &End) -> (i32, i32) {
    let signal = end.command.signal.unwrap_or(0);
    let exit = end.command.exit.unwrap_or(0);
    let own = end.message.is_none() && (exit != 0 || signal != 0);
    (if end.ok() || own { exit } else { NO_EXIT }, signal)
}

/// What a file tells of an earlier run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Logged {
    /// The numbers of the tasks that need not run again, sorted.
    numbers: Vec<u64>,
    /// How many bytes of whole lines there are.
    pub(super) bytes: u64,
}

impl Logged {
    /// Reads a joblog; one that is not there tells of nothing. With `failed_again`, only tasks that ended well count.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub(super) fn read(path: &Path, failed_again: bool) -> Outcome<Self> {
        let mut logged = Logged::default();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(logged),
            Err(error) => return Err(failed(path, "read", &error)),
        };
        let (mut reader, mut line, mut at) = (BufReader::new(file), Vec::new(), 0);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(|error| failed(path, "read", &error))?;
            if line.pop() != Some(b'\n') {
                break;
            }
            at += 1;
            match (at, entry(&line)) {
                (1, _) if line == HEADING.trim_end().as_bytes() => {}
                (2.., Some((number, well))) => {
                    logged.numbers.extend((well || !failed_again).then_some(number))
                }
                _ => {
                    let error = format!("line {at} of {} is no line of a joblog", path.display());
                    return Err(Report::new(Exit::Files, error)
                        .hint("--joblog takes a new file, or one of an earlier map"));
                }
            }
            logged.bytes += length as u64;
        }
        logged.numbers.sort_unstable();
        logged.numbers.dedup();
        Ok(logged)
    }

    /// Whether this task need not run again.
    pub(super) fn has(&self, number: u64) -> bool {
        self.numbers.binary_search(&number).is_ok()
    }
}

/// The number of a line's task, and whether that ended well.
fn entry(line: &[u8]) -> Option<(u64, bool)> {
    let mut columns = line.splitn(9, |byte| *byte == b'\t').map(|column| std::str::from_utf8(column).ok());
    let number = columns.next()??.parse().ok()?;
    let mut codes = columns.skip(5).take(2);
    let mut code = || codes.next()??.parse::<i32>().ok();
    Some((number, (code()?, code()?) == (0, 0)))
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Report {
    Report::new(Exit::Files, format!("could not {what} the joblog {}", path.display()))
        .because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::task::{CommandOutcome, TaskStatus};
    use std::time::Duration;

    fn end(exit: Option<i32>, signal: Option<i32>, message: Option<&str>) -> End {
        let ok = exit == Some(0) && message.is_none();
        let command = CommandOutcome { exit, signal, stdout: "ab\n".into(), ..Default::default() };
        End {
            status: Some(if ok { TaskStatus::Ok } else { TaskStatus::Failed }),
            command,
            message: message.map(str::to_owned),
            stdout_bytes: 3,
            node: Some("n1".into()),
            started: Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_125)),
            ran: Duration::from_millis(1500),
            ..End::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        assert_eq!(Logged::read(&path, false).unwrap(), Logged::default());
        let ends = [
            (3, end(Some(0), None, None), "0\t0"),
            (1, end(Some(7), None, None), "7\t0"),
            (2, end(None, Some(9), None), "0\t9"),
            (5, end(None, Some(15), Some("timed out")), "-1\t15"),
            (6, end(Some(0), None, Some("timed out")), "-1\t0"),
            (7, end(None, None, Some("lost")), "-1\t0"),
        ];
        let mut log = Joblog::open(&path, 0).unwrap();
        let mut expected = HEADING.to_owned();
        for (number, end, codes) in &ends {
            let record = Record { number: *number, arguments: vec!["x".into()], alike: 0 };
            log.add(&record, b"echo 'a\nb'", end).unwrap();
            expected += &format!("{number}\tn1\t1700000000.125\t     1.500\t0\t3\t{codes}\techo 'a\0b'\n");
        }
        log.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(Logged::read(&path, false).unwrap().numbers, [1, 2, 3, 5, 6, 7]);
        let well = Logged::read(&path, true).unwrap();
        assert!(well.has(3) && !well.has(1) && well.numbers == [3]);
        // torn by the end of whoever wrote it
        std::fs::write(&path, expected.clone() + "8\tn1").unwrap();
        let logged = Logged::read(&path, false).unwrap();
        assert_eq!(logged.bytes, expected.len() as u64);
        Joblog::open(&path, logged.bytes).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn another_file_is_no_joblog() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for text in
            ["hello\n", &format!("{HEADING}1\tx\n"), &format!("{HEADING}x\tn\t1\t1\t0\t0\t0\t0\techo\n")]
        {
            std::fs::write(&path, text).unwrap();
            let error = Logged::read(&path, false).unwrap_err().error.unwrap();
            assert!(error.contains("is no line of a joblog"), "{error}");
        }
    }
}
