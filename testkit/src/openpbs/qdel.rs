//! `qdel`.

use super::Said;
use super::site::{Job, Phase, Site, Unnamed};

const USAGE: &str = "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n";

pub(super) fn run(site: &Site, words: &[String]) -> Said {
    let (mut force, mut ids, mut rest) = (false, Vec::new(), words.iter());
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-W" => force |= rest.next().is_some_and(|value| value == "force"),
            "-x" => {}
            id => ids.push(id),
        }
    }
    if ids.is_empty() {
        return Said::failed(2, USAGE);
    }
    let mut said = Said::default();
    for id in ids {
        let (exit, words) = match site.named(id) {
            Err(Unnamed::Malformed) => (1, format!("illegally formed job identifier: {id}")),
            Err(Unnamed::Unknown(full)) => (153, format!("Unknown Job Id {full}")),
            Ok((job, _)) if job.is_finished(site) && !site.scenario.history => {
                (153, format!("Unknown Job Id {}", job.id(None)))
            }
            Ok((job, element)) => match delete(site, &job, element, force) {
                Ok(()) => continue,
                Err((exit, words)) => (exit, format!("{words} {}", job.id(element))),
            },
        };
        said.err += &format!("qdel: {words}\n");
        said.exit = exit;
    }
    said
}

fn delete(site: &Site, job: &Job, element: Option<u32>, force: bool) -> Result<(), (u8, &'static str)> {
    let elements = if element.is_none() { job.elements() } else { Vec::new() };
    let lives = elements.iter().map(|index| Some(*index)).chain(elements.is_empty().then_some(element));
    let live: Vec<_> = lives.filter(|life| job.phase(site, *life) != Phase::Finished).collect();
    if live.is_empty() {
        return Err((35, "Job has finished"));
    }
    let runs = |life: &Option<u32>| job.phase(site, *life) == Phase::Running;
    if site.scenario.unreachable && !force && live.iter().any(runs) {
        return Err((222, "Server could not connect to MOM"));
    }
    for life in live {
        let failed = |_| (1, "the fake could not write its files for");
        job.tell(life, "deleted", "").map_err(failed)?;
        if site.scenario.unreachable {
            // the server forgets it, whatever its node does
            job.tell(life, "exit", "271").map_err(failed)?;
        }
    }
    Ok(())
}
