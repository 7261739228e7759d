//! `rpar profile check --live`: a minute on one node, asked for through the very profile, to see what no look from here
//! tells: whether nodes reach this host, by which address and how fast, which Python they have, and which files they see.
//!
//! The checker plays the controller's part: it listens as a controller would and submits as one does. What the site starts is
//! `rpar probe` in the pilot's place, which has the launcher start `rpar probe --node` in the engine hosts' place.

mod first;
mod judge;
mod left;
mod listen;
mod node;
mod run;
mod talk;

use std::fs;
use std::path::Path;

use rpar_runtime::files::write_private;
use serde::{Deserialize, Serialize};

pub(crate) use self::first::first;
pub(crate) use self::judge::judge;
pub(crate) use self::left::Left;
pub(crate) use self::node::{Begun, node};
pub(crate) use self::run::{Heard, Probe, ProbeError, Probed, probe};

/// The connection file of a probe, in its directory.
pub(crate) const CONNECTION_FILE: &str = "probe.toml";

/// What stands before a report in a job's output.
const MARK: &str = "rpar-probe: ";

/// How the names of files begin that hold a report.
const TOLD: &str = "told-";

/// What a probe's process has to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// The one in the pilot's place.
    First(FirstReport),
    /// One in an engine host's place.
    Node(NodeReport),
}

/// What became of starting processes on the granted nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FirstReport {
    /// The host that it ran on.
    pub(crate) host: String,
    /// The granted nodes.
    pub(crate) nodes: Vec<String>,
    /// Why a node has none, each in a few lines.
    pub(crate) errors: Vec<String>,
}

/// What a node is like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeReport {
    /// The site's name of it.
    pub(crate) node: String,
    /// The version of rpar that ran there.
    pub(crate) build: String,
    /// Cores that a process may use.
    pub(crate) cores: u32,
    /// Why the cluster's directory could not be read, if so.
    pub(crate) unreadable: Option<String>,
    /// What came of each address.
    pub(crate) addresses: Vec<Reach>,
    /// Which line of `setup` has failed there, if one has.
    pub(crate) setup_failed: Option<String>,
    /// Its Python.
    pub(crate) python: PythonReport,
    /// Whether it is to see this host's files.
    pub(crate) shares: bool,
    /// After how long a file that was made here was seen there; `None` when it was not, within the time it had.
    pub(crate) file_seen_micros: Option<u64>,
    /// How far its clock is ahead of this host's.
    pub(crate) clock_ahead_micros: Option<i64>,
}

/// An address that was dialled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// Which.
    pub(crate) endpoint: String,
    /// What came of it.
    pub(crate) end: ReachEnd,
}

/// What came of an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ReachEnd {
    /// It leads here.
    Reached {
        /// The shortest of a few round trips.
        round_trip_micros: u64,
        /// Of a few megabytes each way.
        bytes_per_second: u64,
    },
    /// Nobody listens there.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// Somebody else listens there.
    Stranger(String),
    /// Anything else, in the system's words.
    Failed(String),
}

/// A node's Python.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PythonReport {
    /// What was run.
    pub(crate) executable: String,
    /// Its version, if it ran.
    pub(crate) version: Option<String>,
    /// The version of its cloudpickle, if it has one.
    pub(crate) cloudpickle: Option<String>,
    /// Why it did not run.
    pub(crate) error: Option<String>,
}

/// By which way a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Over a link.
    Link,
    /// As a file in the cluster's directory.
    File,
    /// In the job's output.
    Output,
}

impl Told {
    /// Who tells it: a name for a file.
    fn name(&self) -> String {
        match self {
            Told::First(_) => format!("{TOLD}first.json"),
            Told::Node(report) => format!("{TOLD}node-{}.json", report.node.replace('/', "_")),
        }
    }

    /// Leaves it as a file where the checker looks when no link came to be, and gives the line that it looks for in the
    /// output: either may not get there.
    fn leave(&self, directory: Option<&Path>) -> String {
        // all of it is numbers and texts, which JSON has
        let text = serde_json::to_string(self).unwrap_or_default();
        let _ = directory.map(|directory| write_private(&directory.join(self.name()), text.as_bytes()));
        format!("{MARK}{text}\n")
    }
}

/// All that was left in a probe's directory, files first.
fn left(directory: &Path) -> Vec<(Told, Way)> {
    let names = |path: &Path| -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let read = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let told = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TOLD))
    };
    let files = names(directory);
    let mut found: Vec<(Told, Way)> = files
        .iter()
        .filter(told)
        .filter_map(|path| Some((serde_json::from_str(&read(path)).ok()?, Way::File)))
        .collect();
    for log in names(&directory.join("logs")) {
        found.extend(marked(&read(&log)).into_iter().map(|told| (told, Way::Output)));
    }
    found
}

/// The reports in a text.
fn marked(text: &str) -> Vec<Told> {
    let lines = text.lines().filter_map(|line| line.split_once(MARK));
    lines.filter_map(|(_, told)| serde_json::from_str(told).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_found() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("logs")).unwrap();
        let node = Told::Node(NodeReport { node: "n1".into(), ..NodeReport::default() });
        let line = format!("1: {}other\n", node.leave(Some(directory.path())));
        assert_eq!(left(directory.path()), [(node.clone(), Way::File)]);
        fs::write(directory.path().join("logs/x.log"), line).unwrap();
        assert_eq!(left(directory.path()), [(node.clone(), Way::File), (node, Way::Output)]);
    }
}
