//! The settings of a configuration file, as they are taken one after the other.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the file sets and nobody has taken yet.
#[derive(Debug)]
pub(super) struct Settings {
    left: BTreeMap<String, Value>,
}

impl Settings {
    pub(super) fn new(values: BTreeMap<String, Value>) -> Self {
        Settings { left: values }
    }

    /// Takes the values of a trait, whatever class it was set on, out of the classes that `is_meant` names.
    pub(super) fn take(&mut self, name: &str, is_meant: impl Fn(&str) -> bool) -> Vec<(String, Value)> {
        let keys: Vec<String> = self
            .left
            .keys()
            .filter(|key| key.rsplit_once('.').is_some_and(|(class, of)| of == name && is_meant(class)))
            .cloned()
            .collect();
        keys.into_iter().filter_map(|key| self.left.remove_entry(&key)).collect()
    }

    /// The text of the last of them that is one and not empty: the most specific class sorts after its bases as often as not,
    /// and files rarely set both.
    pub(super) fn text(&mut self, name: &str, is_meant: impl Fn(&str) -> bool) -> Option<(String, String)> {
        let texts = self.take(name, is_meant).into_iter();
        texts.filter_map(|(key, value)| Some((key, text(&value)?))).next_back()
    }

    /// The whole number, likewise.
    pub(super) fn number(&mut self, name: &str, is_meant: impl Fn(&str) -> bool) -> Option<(String, u64)> {
        let numbers = self.take(name, is_meant).into_iter();
        numbers.filter_map(|(key, value)| Some((key, value.as_u64()?))).next_back()
    }

    /// Whether some class that `is_meant` names has a setting.
    pub(super) fn any(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.left.keys().any(|key| key.split_once('.').is_some_and(|(class, _)| is_meant(class)))
    }

    /// What nobody has taken.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Value)> {
        self.left.into_iter()
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
