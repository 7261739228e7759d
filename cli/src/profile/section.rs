//! A section that a backend parses.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::ProfileError;
use super::origin::Origins;
use super::resolve::common;

/// `[scheduler]`, `[launcher]` or `[transport]` of a resolved profile, for the backend that its `kind` names.
#[derive(Clone, Debug)]
pub struct Section {
    name: &'static str,
    kind: String,
    options: Table,
    /// Keys that are not among the options, as somebody else has read them.
    others: Vec<&'static str>,
    origins: Origins,
}

impl Section {
    /// Takes `kind` out of a section's table; the rest is the backend's.
    ///
    /// # Errors
    /// When there is no `kind`, or it is not a text.
    pub(crate) fn new(name: &'static str, table: &Table, origins: &Origins) -> Result<Self, ProfileError> {
        let mut options = table.clone();
        let others = common(name).to_vec();
        let key = format!("{name}.kind");
        let place = || origins.place(&key);
        let expected = format!("the name of a {name}");
        match options.remove("kind") {
            Some(Value::String(kind)) => {
                Ok(Section { name, kind, options, others, origins: origins.clone() })
            }
            Some(other) => {
                Err(ProfileError::Value { place: place(), key, value: format!("`{other}`"), expected })
            }
            None => Err(ProfileError::Missing { place: place(), key, expected }),
        }
    }

    /// The section's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The backend's name.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Reads the backend's options strictly: give a type with `#[serde(deny_unknown_fields)]`.
    ///
    /// # Errors
    /// When a key is unknown or missing, or a value has a wrong type, naming file, line, key and what is allowed.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ProfileError> {
        parse_beside(&self.options, self.name, &self.others, &self.origins)
    }

    /// Reads some of the options, whoever reads the others; and the section without them.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn split<T: DeserializeOwned>(
        &self,
        keys: &[&'static str],
    ) -> Result<(T, Section), ProfileError> {
        let mut rest = self.clone();
        rest.others.extend(keys);
        let taken = keys.iter().filter_map(|key| Some(((*key).to_owned(), rest.options.remove(*key)?)));
        let taken: Table = taken.collect();
        Ok((parse(&taken, self.name, &self.origins)?, rest))
    }

    /// What is wrong with a value that was read.
    pub(crate) fn wrong(&self, key: &str, value: &str, expected: &str) -> ProfileError {
        let key = format!("{}.{key}", self.name);
        let (place, value) = (self.origins.place(&key), format!("`{value}`"));
        ProfileError::Value { place, key, value, expected: expected.to_owned() }
    }

    /// Where the `kind` was set, for messages.
    pub(crate) fn place(&self) -> String {
        self.origins.place(&format!("{}.kind", self.name))
    }
}

/// Strict parsing of a table, with figment's deserializer, which knows the path of what is wrong.
pub(crate) fn parse<T: DeserializeOwned>(
    table: &Table,
    name: &str,
    origins: &Origins,
) -> Result<T, ProfileError> {
    parse_beside(table, name, &[], origins)
}

fn parse_beside<T: DeserializeOwned>(
    table: &Table,
    name: &str,
    others: &[&str],
    origins: &Origins,
) -> Result<T, ProfileError> {
    let value = figment::value::Value::serialize(table);
    value
        .and_then(|value| value.deserialize::<T>())
        .map_err(|error| ProfileError::from_figment(error, name, others, origins))
}
