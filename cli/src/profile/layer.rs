//! One layer of a profile: a file, the shipped text, or the environment, with the place of each of its keys.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::error::ProfileError;
use super::origin::Origin;

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) table: Table,
    /// Where the layer is.
    pub(crate) origin: Origin,
    /// Where each key is, by its whole path.
    pub(crate) places: BTreeMap<String, Origin>,
    /// What a key was called, where it was set under another name.
    pub(crate) spelled: BTreeMap<String, String>,
}

impl Layer {
    /// Reads a file; `None` if there is none.
    pub(crate) fn read(path: PathBuf) -> Result<Option<Layer>, ProfileError> {
        match fs::read_to_string(&path) {
            Ok(text) => Layer::parse(&text, Origin::File { path, line: None }).map(Some),
            // a file where a directory was expected holds no profile either
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(ProfileError::Read { path, reason: error.to_string() }),
        }
    }

    pub(crate) fn parse(text: &str, origin: Origin) -> Result<Layer, ProfileError> {
        let syntax = |error: toml::de::Error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let place = origin.at_line(line).to_string();
            ProfileError::Syntax { place, reason: error.message().trim().replace('\n', ", ") }
        };
        let mut table: Table = toml::from_str(text).map_err(syntax)?;
        times_to_text(&mut table);
        let mut places = BTreeMap::new();
        let spanned = DeTable::parse(text).map_err(syntax)?;
        record(text, spanned.get_ref(), "", &origin, &mut places);
        Ok(Layer { table, origin, places, spelled: BTreeMap::new() })
    }

    /// Where a key, or the nearest thing around it, is.
    pub(crate) fn place(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            match (self.places.get(key), key.rsplit_once('.')) {
                (Some(origin), _) => return origin.clone(),
                (None, Some((around, _))) => key = around,
                (None, None) => return self.origin.clone(),
            }
        }
    }

    /// The layer's directory, if it is a file.
    pub(crate) fn directory(origin: &Origin) -> Option<&Path> {
        match origin {
            Origin::File { path, .. } => path.parent(),
            _ => None,
        }
    }

    /// The profile that this is a layer of.
    pub(crate) fn profile(&self) -> String {
        match &self.origin {
            Origin::Shipped { profile, .. } => profile.clone(),
            Origin::File { path, .. } => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            _ => String::new(),
        }
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Table> {
        self.table.get(name).and_then(Value::as_table)
    }
}

/// TOML reads an unquoted `00:30:00` as a time of day; here it is always meant as the text.
fn times_to_text(table: &mut Table) {
    for (_, value) in table.iter_mut() {
        if let Value::Datetime(time) = value {
            *value = Value::String(time.to_string());
        } else if let Value::Table(inner) = value {
            times_to_text(inner);
        }
    }
}

fn record(
    text: &str,
    table: &DeTable<'_>,
    above: &str,
    origin: &Origin,
    places: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let path = join(above, key.get_ref());
        places.insert(path.clone(), origin.at_line(Some(line_of(text, key.span().start))));
        if let DeValue::Table(inner) = value.get_ref() {
            record(text, inner, &path, origin, places);
        }
    }
}

pub(crate) fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_knows_its_line() {
        let text =
            "extends = 'torque'\n\n[params.ppn]\ndefault = 8\n[engines]\nsetup = [\n'a',\n]\nppn = 4\n";
        let path = PathBuf::from("x.toml");
        let layer = Layer::parse(text, Origin::File { path, line: None }).unwrap();
        for (key, line) in
            [("extends", 1), ("params.ppn.default", 4), ("engines.setup", 6), ("engines.ppn", 9)]
        {
            assert_eq!(layer.place(key).to_string(), format!("x.toml:{line}"), "{key}");
        }
        assert_eq!(layer.place("engines.setup.0").to_string(), "x.toml:6");
        assert_eq!(layer.place("storage.dir").to_string(), "x.toml");
    }
}
