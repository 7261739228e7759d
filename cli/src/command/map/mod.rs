//! `rpar map`.

mod input;
mod results;
mod summary;

use std::io::IsTerminal;
use std::sync::mpsc::{self, Receiver, SyncSender};

use bytes::{Bytes, BytesMut};
use input::{Arguments, Input, InputError, Source};
use results::Results;
use rpar_runtime::client::Group;

use super::attach::{Attached, attach};
use super::context::Context;
use super::task;
use crate::command::arguments::MapArguments;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::report::{Outcome, Report};
use crate::command::template::{Template, TemplateError};

/// How many arguments may be submitted ahead of the first result that is not printed yet: keeps an endless input from
/// filling this process while a long task holds up the order, and is many more than any cluster has engines.
const AHEAD_LIMIT: usize = 1 << 16;

/// An argument that was submitted, or why no more come.
type Submitted = Result<Bytes, InputError>;

pub(crate) fn run(context: &Context, arguments: &MapArguments) -> Outcome {
    let input = Input::parse(arguments.words.clone()).map_err(refused)?;
    let template = Template::parse(&input.command).map_err(misplaced)?;
    let function = task::function(template.script.clone(), &arguments.task)?;
    let options = task::options(&arguments.task, arguments.retries);
    if input.source.known() == Some(0) {
        return Ok(Exit::Ok);
    }
    if input.source == Source::Stdin && std::io::stdin().is_terminal() {
        context
            .output
            .note("arguments are read from the terminal, one a line: Ctrl-D ends them, Ctrl-C drops them");
    }
    let interrupts = Interrupts::watch(|_| {})?;
    let attached = attach(context, &arguments.task)?;
    let group = attached.client.group();
    let (submitted, order) = mpsc::sync_channel(AHEAD_LIMIT);
    let known = input.source.known();
    let source = input.source.arguments(if arguments.null { 0 } else { b'\n' });
    let submission = Submission { template, source, submitted };
    let (client, ours) = (attached.client.clone(), group.clone());
    let submit = move || {
        submission.run(|argument| {
            client.submit(&ours, &function, &options, argument);
            client.wait_ready();
        });
    };
    let ended = match std::thread::Builder::new().name("rpar-input".into()).spawn(submit) {
        Ok(_) => collect(context, &attached, &group, order, known, &interrupts),
        Err(error) => Err(Report::of(Exit::Files, &error)),
    };
    let finished = attached.finish();
    let exit = ended?;
    finished.map(|()| exit)
}

struct Submission {
    template: Template,
    source: Arguments,
    submitted: SyncSender<Submitted>,
}

impl Submission {
    /// Submits one argument after the other, until there are no more or nobody waits for results.
    fn run(self, submit: impl Fn(Bytes)) {
        for (index, argument) in self.source.enumerate() {
            if let Ok(argument) = &argument {
                let mut payload = BytesMut::new();
                self.template.arguments(argument, index as u64 + 1).encode(&mut payload);
                submit(payload.freeze());
            }
            let last = argument.is_err();
            if self.submitted.send(argument).is_err() || last {
                return;
            }
        }
    }
}

/// Prints results until all are there; on an interrupt, or when nobody reads them any more, cancels the rest.
fn collect(
    context: &Context,
    attached: &Attached,
    group: &Group,
    order: Receiver<Submitted>,
    known: Option<u64>,
    interrupts: &Interrupts,
) -> Outcome {
    let mut results = Results::new(context, attached, group, known, interrupts);
    let ended = results.all(order);
    if ended.is_err() {
        results.cancel();
    }
    results.summarise();
    ended.map(|()| Exit::Failed(results.failed()))
}

fn refused(error: InputError) -> Report {
    let hint = error.hint();
    let exit = match error {
        InputError::NoCommand { .. } | InputError::NotText { .. } | InputError::TwoLists { .. } => {
            Exit::Usage
        }
        InputError::Read { .. } | InputError::TooLong { .. } | InputError::Nul { .. } => Exit::Files,
    };
    let report = Report::of(exit, &error);
    match hint {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

fn misplaced(error: TemplateError) -> Report {
    Report::of(Exit::Usage, &error).hint(error.hint())
}
