//! `rpar run`.

use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_core::task::{Arguments, Live, TaskStatus};
use rpar_runtime::client::{Client, Event, Group};

use super::attach::attach;
use super::context::Context;
use super::task::{self, End};
use crate::command::arguments::RunArguments;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::report::{Outcome, Report};

/// How soon Ctrl-C is felt; what comes is printed at once.
const LOOK: Duration = Duration::from_millis(100);

/// A cancelled task reports back at once unless its engine is in trouble.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn run(context: &Context, arguments: &RunArguments) -> Outcome {
    let (script, words) = match &arguments.words[..] {
        [script] => {
            let text = script.to_str().ok_or_else(|| {
                Report::new(
                    Exit::Usage,
                    format!("the command is not valid UTF-8: {}", script.to_string_lossy()),
                )
            })?;
            (text.to_owned(), Vec::new())
        }
        words => {
            let words = words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes()));
            ("exec \"$@\"".to_owned(), words.collect())
        }
    };
    let function = task::defined(&task::spec(context, script, &arguments.task)?);
    let live = if context.output.json { Live::No } else { Live::Yes };
    let options = task::options(&arguments.task, 0, live);
    let interrupts = Interrupts::watch(|_| {})?;
    let attached = attach(context, &arguments.throw_away)?;
    let group = attached.client.group();
    let mut payload = BytesMut::new();
    Arguments(words).encode(&mut payload);
    attached.client.submit(&group, &function, &options, payload.freeze());
    let ended = wait(context, &attached.client, &group, &interrupts).and_then(|end| show(context, &end));
    let finished = attached.finish();
    let exit = ended?;
    finished.map(|()| exit)
}

/// Prints what the command writes, as if it ran here, until it has ended.
fn wait(context: &Context, client: &Client, group: &Group, interrupts: &Interrupts) -> Outcome<End> {
    loop {
        match group.next_event(Some(Instant::now() + LOOK)) {
            Some(Event::Output(output)) if output.stream == 1 => context.output.bytes(&output.data)?,
            Some(Event::Output(output)) => context.output.diagnostics(&output.data),
            Some(Event::Ended(_, outcome)) => return Ok(End::read(outcome)),
            None => {}
        }
        if let Some(signal) = interrupts.pending() {
            client.cancel(group);
            let until = Instant::now() + CANCEL_WITHIN;
            // its end comes after what it has written
            while group.next_event(Some(until)).is_some() {}
            return Err(Report::silent(Exit::Signal(signal)));
        }
    }
}

fn show(context: &Context, end: &End) -> Outcome {
    if context.output.json {
        context.output.document(end.document())?;
    }
    if let (Some(TaskStatus::Ok | TaskStatus::Failed), None) = (end.status, &end.message) {
        if !context.output.json && !end.command.streamed {
            context.output.bytes(&end.command.stdout)?;
            context.output.diagnostics(&end.command.stderr);
        }
        let code = match (end.command.exit, end.command.signal) {
            (_, Some(signal)) => 128 + signal,
            (exit, None) => exit.unwrap_or(0),
        };
        return Ok(Exit::Command(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    let report = Report::new(Exit::Lost, end.problem());
    // what it wrote was printed
    Err(match end.last_words().filter(|_| context.output.json) {
        Some(words) => report.because(words),
        None => report,
    })
}
