//! What the tasks of submissions write, in files of the cluster's directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rpar_core::controller::Input;
use rpar_core::id::{SubmissionId, TaskId};
use tokio::sync::mpsc;

use super::inbox::{Event, Inbox};
use crate::files::{SUBMISSIONS_DIRECTORY, task_output_name, task_outputs};

/// How many orders are carried out before the machine hears of it: enough that a file is not opened for each line of it.
const TURN: usize = 64;

/// The streams that tasks write to.
const STREAMS: [u8; 2] = [1, 2];

/// Something to be done.
#[derive(Debug)]
pub(super) enum Order {
    Write { submission: SubmissionId, task: TaskId, stream: u8, begins: bool, data: Bytes },
    Discard { submission: SubmissionId, tasks: Vec<TaskId> },
}

/// Has orders carried out, in order, beside the task that owns the machine: a file system may be slow. The machine gives
/// engines their room back only when it hears of it, so that no more than that waits.
pub(super) fn open(directory: PathBuf, inbox: Inbox) -> mpsc::UnboundedSender<Order> {
    let (sender, orders) = mpsc::unbounded_channel();
    tokio::spawn(serve(directory, orders, inbox));
    sender
}

async fn serve(directory: PathBuf, mut orders: mpsc::UnboundedReceiver<Order>, inbox: Inbox) {
    let mut turn = Vec::new();
    while orders.recv_many(&mut turn, TURN).await > 0 {
        let (directory, taken) = (directory.clone(), std::mem::take(&mut turn));
        let Ok(answers) = tokio::task::spawn_blocking(move || carry_out(&directory, taken)).await else {
            return;
        };
        if answers.is_empty() {
            continue;
        }
        let told = Event::Input(Box::new(Input::Written { answers }));
        if !inbox.send(told).await {
            return;
        }
    }
}

/// What has become of those that write.
fn carry_out(directory: &Path, orders: Vec<Order>) -> Vec<Result<(), String>> {
    let mut desk = Desk { directory, open: None };
    let mut answers = Vec::new();
    for order in orders {
        match order {
            Order::Write { submission, task, stream, begins, data } => {
                let written = desk.write(submission, task, stream, begins, &data);
                let place = task_outputs(directory, submission);
                answers.push(written.map_err(|error| format!("{}: {error}", place.display())));
            }
            Order::Discard { submission, tasks } => {
                desk.open = None;
                discard(&task_outputs(directory, submission), &tasks);
            }
        }
    }
    answers
}

struct Desk<'a> {
    directory: &'a Path,
    /// The file that was written last: what comes together is of the same as a rule.
    open: Option<(PathBuf, File)>,
}

impl Desk<'_> {
    fn write(
        &mut self,
        submission: SubmissionId,
        task: TaskId,
        stream: u8,
        begins: bool,
        data: &[u8],
    ) -> io::Result<()> {
        let place = task_outputs(self.directory, submission);
        if begins {
            self.open = None;
            begin(&self.directory.join(SUBMISSIONS_DIRECTORY), &place, task)?;
        }
        let path = place.join(task_output_name(task, stream));
        let mut file = match self.open.take() {
            Some((open, file)) if open == path => file,
            // one that was removed by somebody else does not come back with a part missing
            _ => OpenOptions::new().append(true).open(&path)?,
        };
        file.write_all(data)?;
        self.open = Some((path, file));
        Ok(())
    }
}

/// Makes the files of a task, for their owner's eyes only, and the directories they are in if need be. Not the cluster's
/// own: where that is gone, nobody would find them.
fn begin(parent: &Path, place: &Path, task: TaskId) -> io::Result<()> {
    for directory in [parent, place] {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for stream in STREAMS {
        let path = place.join(task_output_name(task, stream));
        // who reads what an earlier try wrote sees by the new file that it is another one
        remove(&path)?;
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    }
    Ok(())
}

/// What cannot be removed goes with the cluster.
fn discard(place: &Path, tasks: &[TaskId]) {
    for task in tasks {
        for stream in STREAMS {
            let path = place.join(task_output_name(*task, stream));
            if let Err(error) = remove(&path) {
                tracing::warn!("could not remove {}: {error}", path.display());
            }
        }
    }
    // the system itself refuses to remove what is not empty
    let _ = fs::remove_dir(place);
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ID: SubmissionId = SubmissionId(3);

    fn write(stream: u8, begins: bool, data: &'static str) -> Order {
        let data = Bytes::from_static(data.as_bytes());
        Order::Write { submission: ID, task: TaskId(6), stream, begins, data }
    }

    #[test]
    fn the_last_try_is_kept_whole_until_it_is_discarded() {
        let cluster = tempfile::tempdir().unwrap();
        let place = cluster.path().join("submissions/3.output");
        let orders = vec![
            write(1, true, "earlier"),
            write(1, true, "one\n"),
            write(2, false, "err\n"),
            write(1, false, "two\n"),
        ];
        assert_eq!(carry_out(cluster.path(), orders), vec![Ok(()); 4]);
        assert_eq!(carry_out(cluster.path(), vec![write(1, false, "three\n")]), [Ok(())]);
        let read = |name: &str| fs::read_to_string(place.join(name)).unwrap();
        assert_eq!((read("7.stdout"), read("7.stderr")), ("one\ntwo\nthree\n".into(), "err\n".into()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join("7.stdout"))), (0o700, 0o600));
        let tasks = vec![TaskId(6), TaskId(7)];
        assert!(carry_out(cluster.path(), vec![Order::Discard { submission: ID, tasks }]).is_empty());
        assert!(!place.exists());
    }

    #[test]
    fn what_is_gone_does_not_come_back_in_part() {
        let cluster = tempfile::tempdir().unwrap();
        let place = cluster.path().join("submissions/3.output");
        assert_eq!(carry_out(cluster.path(), vec![write(1, true, "one\n")]), [Ok(())]);
        fs::remove_dir_all(&place).unwrap();
        let answers = carry_out(cluster.path(), vec![write(1, false, "two\n"), write(1, true, "anew")]);
        let reason = answers[0].clone().unwrap_err();
        assert!(reason.contains(&place.display().to_string()) && reason.contains("No such file"), "{reason}");
        assert_eq!(answers[1], Ok(()));
        let gone = cluster.path().join("gone");
        assert!(carry_out(&gone, vec![write(1, true, "one")])[0].is_err() && !gone.exists());
    }
}
