//! The fake's server: a directory in which each job is a folder of small files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::scenario::Scenario;

/// The server's name.
pub(super) const SERVER: &str = "login1";

/// The directory, and how the site behaves now.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) root: PathBuf,
    pub(super) scenario: Scenario,
}

/// A job or a job array as it was submitted.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) number: u32,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) folder: PathBuf,
}

/// Where a job, or an element of an array, is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    Held,
    Running,
    Finished,
}

impl Site {
    /// The site in a directory that was installed.
    pub(super) fn open(root: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(root.join("scenario")).unwrap_or_default();
        let scenario =
            Scenario::read(&text).map_err(|error| format!("{}/scenario: {error}", root.display()))?;
        Ok(Site { root: root.to_owned(), scenario })
    }

    /// A folder for a new job: the next number.
    pub(super) fn new_job(&self) -> io::Result<Job> {
        let jobs = self.root.join("jobs");
        fs::create_dir_all(&jobs)?;
        let mut number = 0;
        loop {
            let folder = jobs.join(number.to_string());
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Job { number, folder, ..Job::default() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// A job that was accepted and has not vanished.
    pub(super) fn job(&self, number: u32) -> Option<Job> {
        let folder = self.root.join("jobs").join(number.to_string());
        let text = fs::read_to_string(folder.join("facts")).ok()?;
        let facts = text.lines().filter_map(|line| line.split_once('\t'));
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Job { number, facts, folder })
    }

    /// All of them, by number.
    pub(super) fn jobs(&self) -> Vec<Job> {
        let entries = fs::read_dir(self.root.join("jobs")).into_iter().flatten().flatten();
        let mut numbers: Vec<u32> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.job(number)).collect()
    }

    /// The job that an id names, such as `4`, `4.login1`, `4[]` or `4[2].login1`, and the element, if it names one.
    pub(super) fn named(&self, id: &str) -> Result<(Job, Option<u32>), Unnamed> {
        let (bare, server) = id.split_once('.').unwrap_or((id, SERVER));
        let (number, index) = match bare.split_once('[') {
            None => (bare, None),
            Some((number, rest)) => (number, Some(rest.strip_suffix(']').ok_or(Unnamed::Malformed)?)),
        };
        let number: u32 = number.parse().map_err(|_| Unnamed::Malformed)?;
        if server != SERVER {
            return Err(Unnamed::Malformed);
        }
        let unknown = || Unnamed::Unknown(format!("{bare}.{SERVER}"));
        let job = self.job(number).ok_or_else(unknown)?;
        let element = match (index, job.elements().is_empty()) {
            (None, true) | (Some(""), false) => None,
            (Some(index), false) => {
                Some(index.parse().ok().filter(|i| job.elements().contains(i)).ok_or_else(unknown)?)
            }
            _ => return Err(unknown()),
        };
        Ok((job, element))
    }
}

/// Why an id names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    Malformed,
    /// The id in full.
    Unknown(String),
}

impl Job {
    pub(super) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn number_of(&self, name: &str) -> u32 {
        self.fact(name).parse().unwrap_or(1)
    }

    /// Writes the facts: from now on the job is known.
    pub(super) fn save(&self) -> io::Result<()> {
        let lines: String = self.facts.iter().map(|(name, value)| format!("{name}\t{value}\n")).collect();
        write(&self.folder.join("facts"), &lines)
    }

    /// The indices of an array's elements; a plain job has none.
    pub(super) fn elements(&self) -> Vec<u32> {
        let Some((first, last)) = self.fact("array").split_once('-') else { return Vec::new() };
        let (last, step) = last.split_once(':').unwrap_or((last, "1"));
        let number = |text: &str| text.parse::<u32>().unwrap_or(1);
        (number(first)..=number(last)).step_by(number(step).max(1) as usize).collect()
    }

    /// The id of the job, or of one of its elements.
    pub(super) fn id(&self, element: Option<u32>) -> String {
        let index = match (element, self.fact("array").is_empty()) {
            (Some(index), _) => format!("[{index}]"),
            (None, false) => "[]".to_owned(),
            (None, true) => String::new(),
        };
        format!("{}{index}.{SERVER}", self.number)
    }

    /// The folder of a plain job's life, or of an element's.
    pub(super) fn life(&self, element: Option<u32>) -> PathBuf {
        element.map_or_else(|| self.folder.clone(), |index| self.folder.join(format!("element-{index}")))
    }

    pub(super) fn told(&self, element: Option<u32>, what: &str) -> Option<String> {
        fs::read_to_string(self.life(element).join(what)).ok().map(|text| text.trim().to_owned())
    }

    pub(super) fn tell(&self, element: Option<u32>, what: &str, text: &str) -> io::Result<()> {
        write(&self.life(element).join(what), text)
    }

    /// A plain job's phase, or an element's.
    pub(super) fn phase(&self, site: &Site, element: Option<u32>) -> Phase {
        let has = |what| self.told(element, what).is_some();
        if has("exit") || has("deleted") && !has("session") {
            Phase::Finished
        } else if has("session") {
            Phase::Running
        } else if site.scenario.hold || self.fact("hold") == "u" {
            Phase::Held
        } else {
            Phase::Queued
        }
    }

    /// Whether everything of it is over.
    pub(super) fn is_finished(&self, site: &Site) -> bool {
        let elements = self.elements();
        let mut lives = elements.iter().map(|index| Some(*index)).chain(elements.is_empty().then_some(None));
        lives.all(|element| self.phase(site, element) == Phase::Finished)
    }

    /// Why it can never run, if so.
    pub(super) fn never(&self, site: &Site) -> Option<String> {
        let Scenario { nodes, cores, never, .. } = site.scenario;
        let asked = self.number_of("nodes") * self.number_of("ncpus");
        let there = nodes * cores;
        let too_big = self.number_of("nodes") > nodes || self.number_of("ncpus") > cores;
        let lacks = "Can Never Run: Insufficient amount of resource: ncpus";
        (never || too_big).then(|| format!("{lacks} (R: {asked} A: {there} T: {there})"))
    }
}

/// Writes a file that is whole from the moment it has its name.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `HH:MM:SS`.
pub(super) fn clock(time: Duration) -> String {
    rpar_core::profile::duration::clock(time)
}
