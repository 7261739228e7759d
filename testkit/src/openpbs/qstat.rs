//! `qstat` and `qselect`, and the forms they write.

use std::fmt::Write;

use super::Said;
use super::attributes::{self, Attributes, Value};
use super::scenario::Json;
use super::site::{Job, SERVER, Site, Unnamed, now};

const HEAD: &str = "Job id            Name             User              Time Use S Queue\n\
                    ----------------  ---------------- ----------------  -------- - -----\n";

/// What is asked.
#[derive(Debug, Default)]
struct Asked {
    full: bool,
    json: bool,
    history: bool,
    elements: bool,
    express: bool,
    ids: Vec<String>,
}

pub(super) fn run(site: &Site, words: &[String]) -> Said {
    if words == ["--version"] {
        return Said::ok("pbs_version = 23.06.06\n");
    }
    let mut asked = Asked::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-F" if site.scenario.json == Json::Unknown => return usage('F'),
            "-F" => asked.json = rest.next().is_some_and(|form| form == "json"),
            options if options.len() > 1 && options.starts_with('-') => {
                for letter in options.chars().skip(1) {
                    match letter {
                        'E' if site.scenario.express => asked.express = true,
                        'f' => asked.full = true,
                        'x' => asked.history = true,
                        't' => asked.elements = true,
                        other => return usage(other),
                    }
                }
            }
            id => asked.ids.push(id.to_owned()),
        }
    }
    let mut said = Said::default();
    let jobs = chosen(site, &asked, &mut said);
    let mut shown = Vec::new();
    for (job, element) in jobs {
        let whole = element.is_none();
        let elements = if asked.elements && whole { job.elements() } else { Vec::new() };
        if asked.full && asked.json && asked.ids.len() > 1 && !asked.express && !shown.is_empty() {
            // asked one by one, of several ids OpenPBS writes no more than the first as JSON
            break;
        }
        shown.push((job.clone(), element));
        shown.extend(elements.into_iter().map(|index| (job.clone(), Some(index))));
    }
    said.out = match (asked.full, asked.json) {
        (true, true) => json(site, &shown),
        (true, false) => shown.iter().map(|(job, element)| text(site, job, *element)).collect(),
        (false, _) if shown.is_empty() => String::new(),
        (false, _) => {
            shown.iter().fold(HEAD.to_owned(), |table, (job, element)| table + &row(site, job, *element))
        }
    };
    said
}

fn usage(letter: char) -> Said {
    Said::failed(
        2,
        format!(
            "qstat: invalid option -- '{letter}'\nusage: \nqstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format] [-D delim] [ job_identifier... | destination... ]\n"
        ),
    )
}

/// The jobs that are asked for and may be shown; what is wrong with the others.
fn chosen(site: &Site, asked: &Asked, said: &mut Said) -> Vec<(Job, Option<u32>)> {
    if asked.history && !site.scenario.history {
        // nothing at all is told, not even of jobs that run; and it is no failure
        let ids = if asked.ids.is_empty() { vec![String::new()] } else { asked.ids.clone() };
        let complaints = if asked.express { &ids[ids.len() - 1..] } else { &ids[..] };
        for id in complaints.iter().cloned() {
            let full = if id.is_empty() || id.contains('.') { id } else { format!("{id}.{SERVER}") };
            said.err += &format!("qstat: PBS is not configured to maintain job history {full}\n");
        }
        return Vec::new();
    }
    if asked.ids.is_empty() {
        let known = |job: &Job| asked.history || !job.is_finished(site);
        return site.jobs().into_iter().filter(known).map(|job| (job, None)).collect();
    }
    let mut jobs = Vec::new();
    for id in &asked.ids {
        match site.named(id) {
            Ok((job, _)) if job.is_finished(site) && !site.scenario.history => {
                said.err += &format!("qstat: Unknown Job Id {}\n", job.id(None));
                said.exit = 153;
            }
            Ok((job, element)) if job.is_finished(site) && !asked.history => {
                let id = job.id(element);
                said.err += &format!(
                    "qstat: {id} Job has finished, use -x or -H to obtain historical job information\n"
                );
                said.exit = 35;
            }
            Ok(found) => jobs.push(found),
            Err(Unnamed::Unknown(full)) => {
                said.err += &format!("qstat: Unknown Job Id {full}\n");
                said.exit = 153;
            }
            Err(Unnamed::Malformed) if id.starts_with(|c: char| c.is_ascii_digit()) => {
                said.err += &format!("qstat: illegally formed job identifier: {id}\n");
                said.exit = 1;
            }
            Err(Unnamed::Malformed) => {
                said.err += &format!("qstat: Unknown queue destination {id}\n");
                said.exit = 170;
            }
        }
    }
    if asked.express {
        // sorted; what some are not is told only where nothing else is, of the last
        jobs.sort_by_key(|(job, element)| (job.number, *element));
        match said.err.lines().last().map(|line| format!("{line}\n")) {
            Some(last) if jobs.is_empty() => said.err = last,
            _ => *said = Said::default(),
        }
    }
    jobs
}

fn row(site: &Site, job: &Job, element: Option<u32>) -> String {
    let mut name = job.fact("name").to_owned();
    if name.len() > 16 {
        name = format!("{}*", &name[..15]);
    }
    let array = element.is_none() && !job.fact("array").is_empty();
    let used = attributes::used(job, element).filter(|used| !array && used.as_secs() > 0);
    let used = used.map_or_else(|| "0".to_owned(), |_| "00:00:00".to_owned());
    let letter = attributes::letter(site, job, element);
    format!(
        "{:<17} {name:<16} {:<16}  {used:>8} {letter} {:<16}\n",
        job.id(element),
        job.fact("owner"),
        job.fact("queue")
    )
}

/// The text form: lines of at most 79 columns, broken at a comma or else where they are full.
fn text(site: &Site, job: &Job, element: Option<u32>) -> String {
    let mut whole = format!("Job Id: {}\n", job.id(element));
    for (name, value) in attributes::of(site, job, element) {
        match value {
            Value::Parts(parts) => {
                for (part, value) in parts {
                    whole += &line(&format!("{name}.{part}"), &plain(&value));
                }
            }
            Value::List(parts) => {
                let parts = parts.iter().map(|(name, value)| format!("{name}={}", plain(value)));
                whole += &line(&name, &parts.collect::<Vec<_>>().join(","));
            }
            value => whole += &line(&name, &plain(&value)),
        }
    }
    whole + "\n"
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Parts(_) | Value::List(_) => String::new(),
    }
}

fn line(name: &str, value: &str) -> String {
    let mut line = format!("    {name} = ");
    let (mut column, mut fresh) = (line.len(), true);
    for piece in value.split_inclusive(',') {
        if column + piece.len() >= 79 && !fresh {
            line += "\n\t";
            column = 8;
        }
        for c in piece.chars() {
            if column == if line.contains('\t') { 78 } else { 79 } {
                line += "\n\t";
                column = 8;
            }
            line.push(c);
            column += 1;
        }
        fresh = false;
    }
    line + "\n"
}

fn json(site: &Site, jobs: &[(Job, Option<u32>)]) -> String {
    let mut head = vec![
        ("timestamp".to_owned(), Value::Number(now() as i64)),
        ("pbs_version".to_owned(), Value::Text("23.06.06".into())),
        ("pbs_server".to_owned(), Value::Text(SERVER.into())),
    ];
    if !jobs.is_empty() {
        let of = |(job, element): &(Job, Option<u32>)| {
            (job.id(*element), Value::Parts(attributes::of(site, job, *element)))
        };
        head.push(("Jobs".to_owned(), Value::Parts(jobs.iter().map(of).collect())));
    }
    let text = object(&head, 1) + "\n";
    if site.scenario.json == Json::Broken {
        text.replace("\"Priority\":\t0", "\"Priority\":\t00")
    } else {
        text
    }
}

fn object(parts: &Attributes, depth: usize) -> String {
    let mut text = "{\n".to_owned();
    for (place, (name, value)) in parts.iter().enumerate() {
        let value = match value {
            Value::Text(words) => quoted(words),
            Value::Number(number) => number.to_string(),
            Value::Parts(parts) | Value::List(parts) => object(parts, depth + 1),
        };
        let end = if place + 1 < parts.len() { "," } else { "" };
        let _ = writeln!(text, "{}{}:\t{value}{end}", "\t".repeat(depth), quoted(name));
    }
    text + &"\t".repeat(depth - 1) + "}"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `qselect`: the ids of what has not finished, by name and owner.
pub(super) fn select(site: &Site, words: &[String]) -> Said {
    let value = |option: &str| {
        words.iter().position(|word| word == option).and_then(|place| words.get(place + 1)).cloned()
    };
    let (name, owner, states) = (value("-N"), value("-u"), value("-s"));
    let wanted = |job: &Job| {
        let letter = attributes::letter(site, job, None);
        name.as_ref().is_none_or(|name| name == job.fact("name"))
            && owner.as_ref().is_none_or(|owner| owner == job.fact("owner"))
            && states.as_ref().is_none_or(|states| states.contains(letter))
            && !job.is_finished(site)
    };
    Said::ok(site.jobs().iter().filter(|job| wanted(job)).map(|job| job.id(None) + "\n").collect::<String>())
}
