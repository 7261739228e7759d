//! `rpar map`.

mod board;
mod collect;
mod halt;
mod held;
mod joblog;
mod lines;
mod print;
mod resume;
mod saved;
mod scratch;
mod spool;
mod submission;
mod summary;
mod turns;
mod written;

use std::sync::Arc;
use std::time::Instant;

use rpar_core::task::Live;
use serde_json::json;

pub(crate) use self::halt::Halt;

use self::board::Board;
use self::collect::{Cause, Collector, News};
use self::halt::Halting;
use self::joblog::Joblog;
use self::lines::Lines;
use self::print::Printer;
use self::resume::Earlier;
use self::saved::Saved;
use self::spool::Spool;
use self::submission::Submission;
use self::summary::Summary;
use self::turns::Turns;
use super::attach::attach;
use super::context::Context;
use super::task;
use crate::command::arguments::{MapArguments, ResultArguments};
use crate::command::exit::Exit;
use crate::command::input::{Input, Opened, Records};
use crate::command::interrupt::Interrupts;
use crate::command::output::{Output, Progress, json_line};
use crate::command::report::{Outcome, Report};
use crate::command::template::{Functions, Template, Text};

/// The first Ctrl-C drains, the second kills: both are obeyed in order.
const SIGNALS_OBEYED: u8 = 2;

pub(crate) fn run(context: &Context, arguments: &MapArguments) -> Outcome {
    let input = Input::parse(&arguments.words, &arguments.input)?;
    if input.reads_terminal() {
        let text = "arguments are read from the terminal, one a line: Ctrl-D ends them, Ctrl-C drops them";
        context.output.note(text);
    }
    let results = &arguments.results;
    let input = input.open()?;
    let template = Template::parse(&input.command, input.columns)?;
    let tag = tag(results, &input)?;
    let earlier = Earlier::find(results, &input.names, arguments.input.shuf)?;
    let saved = results.results.as_deref().map(|directory| Saved::new(directory, &input.names));
    let records = if saved.is_some() { input.records.counting_alike() } else { input.records };
    if results.dry_run {
        let records =
            records.shared_among(|| arguments.throw_away.engines.map_or(1, |engines| engines as usize));
        return show(context, records, &template, &earlier);
    }
    let spec = task::spec(context, String::new(), &arguments.task)?;
    let joblog = match &results.joblog {
        Some(path) => Some(Joblog::open(path, earlier.logged_bytes())?),
        None => None,
    };
    // what is left out does not count
    let known = input.known.filter(|_| matches!(earlier, Earlier::None));
    if known == Some(0) {
        return Ok(Exit::Ok);
    }
    let numbered = template.clone();
    let numbered = if matches!(earlier, Earlier::None) { numbered } else { numbered.numbered() };
    let interrupts = Interrupts::watch_more(SIGNALS_OBEYED, |_| {})?;
    let attached = attach(context, &arguments.throw_away)?;
    let (board, group) = (Arc::new(Board::default()), attached.client.paced_group());
    let output = context.output;
    let live = live(results, output);
    let submission = Submission {
        records: records.shared_among(|| task::engines(&attached.client)),
        earlier,
        functions: Functions::new(numbered, spec),
        options: task::options(&arguments.task, arguments.pace.retries, live),
        delay: arguments.pace.delay,
        client: attached.client.clone(),
        group: group.clone(),
        board: Arc::clone(&board),
    };
    let collector = Collector {
        attached: &attached,
        group: &group,
        board: &board,
        interrupts: &interrupts,
        output,
        template: &template,
        known,
        turns: Turns::new(!results.unordered),
        joblog,
        saved,
        lines: (live == Live::Yes).then(Lines::default),
        spool: Spool::new(results.results.as_deref()),
        printer: Printer::new(output, tag, results.results.is_some()),
        halting: Halting::new(arguments.pace.halt),
        summary: Summary::default(),
        begun: Instant::now(),
        progress: Progress::new(&output, results.bar || results.eta, results.eta),
        news: News::default(),
        stop: None,
        dropped: 0,
    };
    let ended = submission.start().and_then(|()| collect(collector));
    let finished = attached.finish();
    let exit = ended?;
    finished.map(|()| exit)
}

/// Takes all results, and says how the map ends.
fn collect(mut collector: Collector<'_>) -> Outcome {
    let ended = collector.all();
    // what went wrong first is what to tell
    ended.and(collector.summarise())?;
    match (collector.stop.map(|stop| stop.cause), collector.board.refusal()) {
        (Some(Cause::Signal(signal)), _) => Err(Report::silent(Exit::Signal(signal))),
        (_, Some(refusal)) => Err(refusal.into()),
        _ => Ok(collector.halting.exit()),
    }
}

/// What is printed, or put away, while tasks run.
fn live(results: &ResultArguments, output: Output) -> Live {
    match (output.json, &results.results) {
        // a document holds all that a task wrote
        (true, _) => Live::No,
        (false, None) if results.unordered => Live::Yes,
        (false, _) => Live::Large,
    }
}

/// What each line begins with.
fn tag(results: &ResultArguments, input: &Opened) -> Outcome<Option<Text>> {
    let text = results.tagstring.as_deref().or(results.tag.then_some("{}"));
    Ok(text.map(|text| Text::parse(&input.numbered(text), input.columns)).transpose()?)
}

/// `--dry-run`: the commands, one a line.
fn show(context: &Context, records: Records, template: &Template, earlier: &Earlier) -> Outcome {
    let mut answers = context.output.answers();
    for record in records {
        let record = record?;
        if !earlier.has(&record) {
            let mut line = template.command_line(&record, None);
            if context.output.json {
                let command = String::from_utf8_lossy(&line);
                line = json_line(json!({ "task": record.number, "command": command })).into();
            } else {
                line.push(b'\n');
            }
            answers.write(&line)?;
        }
    }
    answers.flush()?;
    Ok(Exit::Ok)
}
