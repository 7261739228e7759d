//! Named hosts as a site without a queue: an allocation is a pilot process beside the controller, and its nodes are the
//! first hosts of the list that no other allocation of the cluster has.
//!
//! The pilot learns of them from `RPAR_HOSTS_NODES`. That is also how they are known to be taken: by its `/proc` entry.

mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo};
use serde::{Deserialize, Deserializer, Serialize};

use crate::beside::Beside;

const NODES: &str = "RPAR_HOSTS_NODES";

/// The keys of `[scheduler]` under `kind = "hosts"`, besides those of any scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The hosts, each with its cores if that is known: `["node1", "node2:16"]`, or one text with commas.
    #[serde(default, deserialize_with = "list_or_text")]
    pub hosts: Vec<String>,
    /// A file that names them, one a line; it is read anew for each allocation. They come after `hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostfile: Option<PathBuf>,
}

impl Config {
    /// All hosts, each once. Slots are 0 where no cores are told at all, and 1 for a host that stands without among others
    /// with some.
    ///
    /// # Errors
    /// What is wrong with the list or the file, in one line.
    pub fn nodes(&self) -> Result<Vec<Node>, String> {
        let mut nodes = list::words(&self.hosts.join(","))?;
        if let Some(path) = &self.hostfile {
            let wrong = |reason: String| format!("hostfile {}: {reason}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            let more = list::file(&text).map_err(wrong)?;
            let known: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
            nodes.extend(more.into_iter().filter(|node| !known.contains(&node.name)));
        }
        if nodes.iter().any(|node| node.slots > 0) {
            nodes.iter_mut().for_each(|node| node.slots = node.slots.max(1));
        }
        Ok(nodes)
    }
}

/// A parameter of a profile holds a text.
fn list_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of hosts, or a text with commas between them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// Named hosts.
#[derive(Debug)]
pub struct Hosts {
    config: Config,
    pilots: Beside,
}

impl Hosts {
    /// The hosts that a profile names.
    pub fn new(config: Config) -> Self {
        Hosts { config, pilots: Beside::new("hosts") }
    }

    /// The first hosts that are not `taken`, as many as asked for.
    fn choose(
        &self,
        asked: u32,
        taken: &BTreeSet<String>,
        action: Action,
    ) -> Result<Vec<Node>, BackendError> {
        let wrong = |reason: String, hint: String| BackendError {
            hint: Some(hint),
            ..self.pilots.error(action, reason, None)
        };
        let all = self.config.nodes();
        let all = all.map_err(|reason| wrong(reason, "see [scheduler] of the profile".to_owned()))?;
        if all.is_empty() {
            let hint =
                "name them with --hosts node1,node2, or as `hosts` or `hostfile` in [scheduler] of a profile";
            return Err(wrong("no host is named".to_owned(), hint.to_owned()));
        }
        let hosts = all.len();
        let mut free: Vec<Node> = all.into_iter().filter(|node| !taken.contains(&node.name)).collect();
        if (free.len() as u64) < u64::from(asked) {
            let reason = match taken.is_empty() {
                true => format!("{asked} hosts asked for, but the list has {hosts}"),
                false => match free.len() {
                    0 => format!("{asked} more asked for, but the cluster has all {hosts} hosts already"),
                    1 => format!(
                        "{asked} more asked for, but 1 of the {hosts} hosts is free: the cluster has the others"
                    ),
                    free => format!(
                        "{asked} more asked for, but {free} of the {hosts} hosts are free: the cluster has the others"
                    ),
                },
            };
            let hint = "ask for fewer with --nodes, or name more in [scheduler] of the profile";
            return Err(wrong(reason, hint.to_owned()));
        }
        free.truncate(asked as usize);
        Ok(free)
    }
}

/// What a pilot's environment says of its hosts.
fn granted(environment: &BTreeMap<String, String>) -> Option<Vec<Node>> {
    list::words(environment.get(NODES)?).ok().filter(|nodes| !nodes.is_empty())
}

#[async_trait]
impl Scheduler for Hosts {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            name: "hosts".into(),
            queued: false,
            remote_pilot: false,
            walltime: false,
            arrays: false,
        }
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
        let chosen = self.choose(request.nodes, &BTreeSet::new(), Action::Preview)?;
        Ok(self.pilots.preview(request, &[(NODES, list::write(&chosen))]))
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        let pilots = self.pilots.find(&request.tag)?;
        let taken = pilots.values().filter_map(granted).flatten().map(|node| node.name).collect();
        let chosen = self.choose(request.nodes, &taken, Action::Submit)?;
        self.pilots.submit(request, &[(NODES, list::write(&chosen))]).await
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        let names = |environment: &BTreeMap<String, String>| {
            granted(environment).into_iter().flatten().map(|node| node.name).collect()
        };
        Ok(self.pilots.poll(ids, names))
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        self.pilots.cancel(ids).await
    }

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        Ok(self.pilots.find(tag)?.into_keys().collect())
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        granted(environment).ok_or_else(|| {
            let reason = format!("{NODES} names no hosts: no pilot of `hosts`");
            self.pilots.error(Action::Nodes, reason, None)
        })
    }
}
