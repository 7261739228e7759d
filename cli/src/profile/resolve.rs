//! From a profile and the user's values to what a cluster runs with.

use std::collections::{BTreeMap, BTreeSet};

use rpar_core::launcher::Node;
use rpar_core::profile::{Param, ParamValue, Scalar, StorageSection};
use serde::Deserialize;
use toml::{Table, Value};

use super::error::{ProfileError, suggestion};
use super::merge::Profile;
use super::normalise::STANDARD;
use super::origin::{Origin, Origins};
use super::render::{self, Variables};
use super::resolved::Resolved;

/// Keys that rpar takes out of a backend's section, whatever its kind.
pub(crate) fn common(section: &str) -> &'static [&'static str] {
    match section {
        "scheduler" => {
            &["queue", "walltime", "account", "name", "shape", "setup", "template", "template_file"]
        }
        "transport" => &["listen"],
        _ => &[],
    }
}

impl Profile {
    /// Resolves the profile with the user's values (by parameter, as typed) and, if given, the total of engines: then
    /// nodes are as many as that needs, and the last one may be short.
    ///
    /// # Errors
    /// When a value is not allowed, a template cannot be rendered, or one of rpar's own sections is wrong. The
    /// backends' sections are checked by [`Site::new`](crate::site::Site::new).
    pub fn resolve(
        &self,
        values: &BTreeMap<String, String>,
        total: Option<u32>,
    ) -> Result<Resolved, ProfileError> {
        self.resolve_beside(values, total, BTreeSet::new())
    }

    /// The same for a cluster that grows: its list of hosts goes on behind those that are taken.
    ///
    /// # Errors
    /// As [`Profile::resolve`].
    pub(crate) fn resolve_beside(
        &self,
        values: &BTreeMap<String, String>,
        total: Option<u32>,
        taken: BTreeSet<String>,
    ) -> Result<Resolved, ProfileError> {
        let mut resolving = Resolving { taken, ..Resolving::new(self, values)? };
        resolving.settle_standard(total)?;
        resolving.finish(total)
    }

    /// Where the profile keeps its clusters, if it says; for finding one without knowing what it was started with.
    pub(crate) fn storage_dir(&self) -> Result<Option<String>, ProfileError> {
        let none = BTreeMap::new();
        let mut resolving = Resolving::new(self, &none)?;
        resolving.settle_standard(None)?;
        let storage = resolving.section::<StorageSection>("storage", Table::new())?;
        Ok(storage.dir.map(|dir| self.surroundings.expand(&dir).display().to_string()))
    }
}

/// A profile half-way: with the values of its parameters.
pub(super) struct Resolving<'a> {
    pub(super) profile: &'a Profile,
    pub(super) variables: Variables,
    pub(super) given: BTreeSet<&'a str>,
    pub(super) origins: Origins,
    /// Hosts whose cores say how many engines they have.
    pub(super) hosts: Vec<Node>,
    /// Hosts that the cluster has already.
    pub(super) taken: BTreeSet<String>,
}

impl<'a> Resolving<'a> {
    fn new(profile: &'a Profile, values: &'a BTreeMap<String, String>) -> Result<Self, ProfileError> {
        let mut variables = Profile::facts(&profile.surroundings, &profile.name);
        for param in &profile.params {
            variables.insert(param.name.clone(), param.default.as_ref().map(ParamValue::to_scalar));
        }
        let mut origins = profile.origins.clone();
        for (name, text) in values {
            let known = profile.params.iter().map(|param| param.name.as_str());
            let param = profile.params.iter().find(|param| param.name == *name);
            let param = param.ok_or_else(|| ProfileError::UnknownParam {
                profile: profile.name.clone(),
                name: name.clone(),
                suggestion: suggestion(name, "parameters", known),
            })?;
            let flag = Origin::Flag(name.clone());
            let value = accept(param, &Scalar::Text(text.clone()), &flag.to_string(), name)?;
            variables.insert(name.clone(), Some(value.to_scalar()));
            origins.set(&format!("params.{name}.default"), flag, None);
        }
        let given = values.keys().map(String::as_str).collect();
        Ok(Resolving { profile, variables, given, origins, hosts: Vec::new(), taken: BTreeSet::new() })
    }

    /// Finds the values of the parameters that every profile has: the user's, else what their sections say.
    fn settle_standard(&mut self, total: Option<u32>) -> Result<(), ProfileError> {
        let (nodes, others) = (&STANDARD[0], &STANDARD[1..]);
        for (name, section, key) in others {
            self.settle(name, section, key)?;
        }
        self.settle_hosts()?;
        match total {
            None => self.settle(nodes.0, nodes.1, nodes.2),
            Some(total) => self.settle_total(total),
        }
    }

    fn settle(&mut self, name: &str, section: &str, key: &str) -> Result<(), ProfileError> {
        let path = format!("{section}.{key}");
        if self.given.contains(name) {
            self.origins.set(&path, Origin::Flag(name.to_owned()), None);
            return Ok(());
        }
        let table = self.profile.table.get(section).and_then(Value::as_table);
        let Some(value) = table.and_then(|table| table.get(key)) else { return Ok(()) };
        let rendered = self.render(value, &path)?;
        let settled = match rendered {
            None => None,
            Some(value) => {
                let scalar = Scalar::deserialize(value.clone());
                let scalar = scalar.map_err(|_| self.wrong(&path, format!("`{value}`"), "a single value"))?;
                let param = self.param(name);
                let accepted = param.map(|param| accept(param, &scalar, &self.place(&path), &path));
                Some(accepted.transpose()?.map_or(scalar, |value| value.to_scalar()))
            }
        };
        self.variables.insert(name.to_owned(), settled);
        Ok(())
    }

    fn settle_total(&mut self, total: u32) -> Result<(), ProfileError> {
        let flag = Origin::Flag("n".to_owned());
        if total == 0 {
            let expected = "at least one engine".to_owned();
            let value = "`0`".to_owned();
            return Err(ProfileError::Value {
                place: flag.to_string(),
                key: "n".to_owned(),
                value,
                expected,
            });
        }
        let ppn = self.count("ppn");
        let needed = total.div_ceil(ppn.max(1));
        if self.given.contains("nodes") && self.count("nodes") != needed {
            return Err(ProfileError::Total { total, needed, ppn, nodes: self.count("nodes") });
        }
        let scalar = Scalar::Int(needed.into());
        if let Some(param) = self.param("nodes") {
            accept(param, &scalar, &flag.to_string(), "nodes")?;
        }
        self.variables.insert("nodes".to_owned(), Some(scalar));
        self.origins.set("engines.nodes", flag, None);
        Ok(())
    }

    pub(super) fn render(&self, value: &Value, path: &str) -> Result<Option<Value>, ProfileError> {
        render::value(value, &self.variables).map_err(|reason| ProfileError::Template {
            place: self.place(path),
            key: path.to_owned(),
            reason,
        })
    }

    /// `value` is shown as it is: in backticks when it is the user's own.
    pub(super) fn wrong(&self, key: &str, value: String, expected: impl Into<String>) -> ProfileError {
        let spelled = self.origins.spelled(key).to_owned();
        ProfileError::Value { place: self.place(key), key: spelled, value, expected: expected.into() }
    }

    pub(super) fn place(&self, key: &str) -> String {
        self.origins.place(key)
    }

    fn param(&self, name: &str) -> Option<&'a Param> {
        self.profile.params.iter().find(|param| param.name == name)
    }

    pub(super) fn count(&self, name: &str) -> u32 {
        match self.variables.get(name) {
            Some(Some(Scalar::Int(count))) => u32::try_from(*count).unwrap_or(0),
            _ => 0,
        }
    }
}

fn accept(param: &Param, value: &Scalar, place: &str, key: &str) -> Result<ParamValue, ProfileError> {
    param.accept(value).map_err(|error| ProfileError::Value {
        place: place.to_owned(),
        key: key.to_owned(),
        value: format!("`{}`", error.value),
        expected: error.expected,
    })
}
