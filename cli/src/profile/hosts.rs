//! What a list of hosts tells: how many nodes there are, and with how many engines each, where nobody says otherwise.

use std::path::PathBuf;

use rpar_backends::hosts::Config;
use rpar_core::launcher::Node;
use rpar_core::profile::Scalar;
use toml::{Table, Value};

use super::error::ProfileError;
use super::layer::Layer;
use super::origin::{Origin, Origins};
use super::resolve::Resolving;
use super::section;

/// The key that names a file.
const FILE: &str = "hostfile";

impl Resolving<'_> {
    /// Takes the numbers of nodes, and of engines on each, from the list of `kind = "hosts"` if neither the user nor a
    /// profile has set them; hosts that are taken count only where all are. A list that cannot be read counts as none here: the scheduler says what is wrong with it.
    pub(super) fn settle_hosts(&mut self) -> Result<(), ProfileError> {
        let all = self.hosts()?;
        let free: Vec<Node> = all.iter().filter(|node| !self.taken.contains(&node.name)).cloned().collect();
        let hosts = if free.is_empty() { all } else { free };
        if hosts.is_empty() {
            return Ok(());
        }
        if self.is_open("nodes") {
            self.set_count("nodes", hosts.len() as u64);
        }
        if self.is_open("ppn") {
            self.set_count("ppn", hosts.iter().map(engines).max().unwrap_or(1).into());
            self.hosts = hosts;
        }
        Ok(())
    }

    /// How many engines the first so many hosts that are free have in all, if the list has told how many each has.
    pub(super) fn engines_of_hosts(&self, nodes: u32) -> Option<u32> {
        let first = self.hosts.iter().take(nodes as usize);
        (!self.hosts.is_empty()).then(|| first.map(engines).fold(0, u32::saturating_add))
    }

    /// Makes the path of a list of hosts absolute, in a rendered `[scheduler]`.
    pub(super) fn place_hostfile(&self, scheduler: &mut Table) {
        if scheduler.get("kind").and_then(Value::as_str) == Some("hosts")
            && let Some(Value::String(file)) = scheduler.get_mut(FILE)
        {
            *file = self.beside("scheduler.hostfile", file).display().to_string();
        }
    }

    /// Where a file is that a profile names: beside the profile, unless a flag or the environment names it.
    pub(super) fn beside(&self, key: &str, file: &str) -> PathBuf {
        let surroundings = &self.profile.surroundings;
        match self.origins.of(key).and_then(Layer::directory) {
            Some(directory) if !file.starts_with('~') => surroundings.directory.join(directory).join(file),
            _ => surroundings.expand(file),
        }
    }

    fn hosts(&self) -> Result<Vec<Node>, ProfileError> {
        let empty = Table::new();
        let table = self.profile.table.get("scheduler").and_then(Value::as_table).unwrap_or(&empty);
        let mut rendered = Table::new();
        for key in ["kind", "hosts", FILE] {
            let value = table.get(key).map(|value| self.render(value, &format!("scheduler.{key}")));
            rendered.extend(value.transpose()?.flatten().map(|value| (key.to_owned(), value)));
        }
        if rendered.get("kind").and_then(Value::as_str) != Some("hosts") {
            return Ok(Vec::new());
        }
        self.place_hostfile(&mut rendered);
        rendered.remove("kind");
        let config = section::parse::<Config>(&rendered, "scheduler", &Origins::default());
        Ok(config.ok().and_then(|config| config.nodes().ok()).unwrap_or_default())
    }

    fn is_open(&self, name: &str) -> bool {
        let origin = self.origins.of(&format!("params.{name}.default"));
        !self.given.contains(name) && origin == Some(&Origin::BuiltIn)
    }

    fn set_count(&mut self, name: &str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.variables.insert(name.to_owned(), Some(Scalar::Int(count)));
    }
}

/// As many as it has cores, if that is told.
fn engines(node: &Node) -> u32 {
    node.slots.max(1)
}
