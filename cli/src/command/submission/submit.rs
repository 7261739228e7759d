//! `rpar submit`.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::id::SubmissionId;
use rpar_core::task::{After, Live, TaskOptions};
use rpar_core::wire::INLINE_LIMIT_BYTES;
use rpar_runtime::client::{Client, ClientError, Group};
use serde_json::json;

use super::super::context::Context;
use super::super::task;
use super::arguments_file::ArgumentsFile;
use super::{ANSWER_WITHIN, find};
use crate::cluster::plural;
use crate::command::arguments::SubmitArguments;
use crate::command::exit::Exit;
use crate::command::input::{Input, InputError, Record, Records};
use crate::command::interrupt::Interrupts;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::command::template::{Functions, Template};

/// How many arguments are read before they are submitted: enough that neither thread waits for each of them.
const READ_AHEAD: usize = 256;

/// How often a submission that waits for arguments, or for room at the controller, looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is said while the controller has no room.
const NO_ROOM: &str = "submitting: the controller has room for no more (`controller.submit_window_bytes`), the rest \
                       follows as tasks end";

pub(crate) fn run(context: &Context, arguments: &SubmitArguments) -> Outcome {
    let input = Input::parse(&arguments.words, &arguments.input)?;
    let name = arguments.name.clone().unwrap_or_else(|| input.command.clone());
    if input.reads_terminal() {
        let text = "arguments are read from the terminal, one a line: Ctrl-D or Ctrl-C ends them";
        context.output.note(text);
    }
    let input = input.open()?;
    let template = Template::parse(&input.command, input.columns)?;
    let spec = task::spec(context, String::new(), &arguments.task)?;
    let (directory, client) = context.client()?;
    for id in &arguments.after {
        find(&client, &directory, *id)?;
    }
    let interrupts = Interrupts::watch(|_| {})?;
    let id = client.open_submission(&name, ANSWER_WITHIN)?;
    let waiting = Waiting::new(&context.output, "submitting");
    let mut filling = Filling {
        client: &client,
        waiting: &waiting,
        functions: Functions::new(template, spec),
        options: options(arguments),
        group: client.group(),
        // on another host they have no place here
        file: match context.remote {
            None => Some(ArgumentsFile::create(&directory, id)?),
            Some(_) => None,
        },
    };
    let records = input.records.shared_among(|| task::engines(&client));
    let filled = filling.all(records, &interrupts);
    let tasks = filled.and_then(|()| closed(context, &client, id, &interrupts, &waiting));
    drop(waiting);
    let tasks = tasks.inspect_err(|_| give_up(&client, id))?;
    if context.output.json {
        context.output.document(json!({ "submission": id, "tasks": tasks }))?;
    } else {
        context.output.answer(&format!("{id}\n"))?;
        let results = directory.command(&format!("results {id}"));
        context.output.note(&format!(
            "submitted {} as {id}: {results} prints what comes of them",
            plural(tasks, "task")
        ));
    }
    if let Some(signal) = interrupts.pending() {
        let cancel = directory.command(&format!("cancel {id}"));
        context
            .output
            .warn(&format!("interrupted: not all arguments were read; {cancel} drops what was submitted"));
        return Err(Report::silent(Exit::Signal(signal)));
    }
    Ok(Exit::Ok)
}

fn options(arguments: &SubmitArguments) -> Arc<TaskOptions> {
    let live = if arguments.live { Live::Yes } else { Live::Large };
    let options = task::options(&arguments.task, arguments.retries, live);
    if arguments.after.is_empty() {
        return options;
    }
    let after = After { submissions: arguments.after.clone(), on: arguments.when.into(), ..After::default() };
    Arc::new(TaskOptions { after: Some(after), ..(*options).clone() })
}

struct Filling<'a> {
    client: &'a Client,
    waiting: &'a Waiting,
    functions: Functions,
    options: Arc<TaskOptions>,
    group: Group,
    file: Option<ArgumentsFile>,
}

impl Filling<'_> {
    fn all(&mut self, records: Records, interrupts: &Interrupts) -> Outcome<()> {
        let records = read(records)?;
        while interrupts.pending().is_none() {
            match records.recv_timeout(LOOK_EVERY) {
                Ok(record) => self.add(&record?, interrupts)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.file.as_mut().map_or(Ok(()), ArgumentsFile::flush)
    }

    fn add(&mut self, record: &Record, interrupts: &Interrupts) -> Outcome<()> {
        let (function, payload) = self.functions.of(record);
        if payload.len() > INLINE_LIMIT_BYTES {
            return Err(too_long(record, &payload));
        }
        if let Some(file) = &mut self.file {
            file.add(&record.whole())?;
        }
        self.client.submit(&self.group, function, &self.options, payload);
        while interrupts.pending().is_none() && !self.client.wait_ready(Some(Instant::now() + LOOK_EVERY)) {
            self.waiting.say(NO_ROOM);
        }
        match self.client.lost() {
            Some(reason) => Err(ClientError::Lost { reason }.into()),
            None => Ok(()),
        }
    }
}

fn too_long(record: &Record, payload: &Bytes) -> Report {
    let (number, bytes) = (record.number, payload.len());
    let what = format!(
        "the arguments of task {number} take {bytes} bytes; more than {INLINE_LIMIT_BYTES} cannot outlive this terminal"
    );
    Report::new(Exit::Usage, what).hint("put what is long in a file, and give its name")
}

/// Reads the arguments on a thread of its own, so that who waits for a line can be interrupted. The thread ends with the
/// input; one that waits for its input is left behind.
fn read(records: Records) -> Outcome<Receiver<Result<Record, InputError>>> {
    let (sender, receiver) = mpsc::sync_channel(READ_AHEAD);
    let run = move || {
        for record in records {
            if sender.send(record).is_err() {
                break;
            }
        }
    };
    let started = std::thread::Builder::new().name("rpar-input".into()).spawn(run);
    started.map(|_| receiver).map_err(|error| Report::of(Exit::Files, &error))
}

/// Waits until the controller has everything; once interrupted, not for long.
fn closed(
    context: &Context,
    client: &Client,
    id: SubmissionId,
    interrupts: &Interrupts,
    waiting: &Waiting,
) -> Outcome<u64> {
    let mut until = None;
    loop {
        match client.close_submission(LOOK_EVERY) {
            Ok(tasks) => return Ok(tasks),
            Err(ClientError::TimedOut(_)) => waiting.say(NO_ROOM),
            Err(error) => return Err(error.into()),
        }
        if let Some(signal) = interrupts.pending() {
            let until = *until.get_or_insert_with(|| {
                context
                    .output
                    .note_signal("interrupted: what was read goes to the controller, if that has room");
                Instant::now() + ANSWER_WITHIN
            });
            if Instant::now() >= until {
                let what =
                    format!("the controller has no room for what was read: submission {id} is cancelled");
                return Err(Report::new(Exit::Signal(signal), what));
            }
        }
    }
}

/// Half a submission is of no use. What goes wrong here is no news.
fn give_up(client: &Client, id: SubmissionId) {
    let _ = client.cancel_submission(id, None, true, ANSWER_WITHIN);
}
