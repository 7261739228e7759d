//! The profile's file, as it is written for people.

use std::fmt::Write;

use toml::{Table, Value};

/// Sections in the order in which a profile has them.
#[derive(Debug, Default)]
pub(super) struct File {
    params: Vec<(String, Table)>,
    sections: Vec<(&'static str, Table)>,
}

impl File {
    /// Gives a parameter a default, if there is one to give.
    pub(super) fn param(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            let table = Table::from_iter([("default".to_owned(), value.into())]);
            self.params.push((name.to_owned(), table));
        }
    }

    /// Sets a key of a section.
    pub(super) fn set(&mut self, section: &'static str, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.sections.iter_mut().find(|(name, _)| *name == section) {
            Some((_, table)) => table.insert(key.to_owned(), value),
            None => {
                self.sections.push((section, Table::from_iter([(key.to_owned(), value)])));
                None
            }
        };
    }

    /// Sets a list, if it is not empty.
    pub(super) fn list(&mut self, section: &'static str, key: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.set(section, key, values);
        }
    }

    /// The text, with what is left as comments at its end.
    pub(super) fn text(&self, name: &str, base: &str, left: &[String]) -> String {
        let mut text = format!(
            "# {name}: from a configuration of ipcluster. docs/profiles.md has every key.\n#\n\
             #     rpar profile check {name}             tells what is wrong with it\n\
             #     rpar profile check {name} --live      tries it on a node, for a minute\n\n\
             extends = {}\ndescription = {}\n",
            quoted(base),
            quoted(&format!("{name}, on top of {base}"))
        );
        for (param, table) in &self.params {
            let _ = write!(text, "\n[params.{param}]\n{}", lines(table));
        }
        for (section, table) in &self.sections {
            let _ = write!(text, "\n[{section}]\n{}", lines(table));
        }
        if !left.is_empty() {
            text += "\n# What the configuration also says, and this file does not:\n";
            left.iter().flat_map(|left| left.lines()).for_each(|line| {
                let _ = writeln!(text, "#     {line}");
            });
        }
        text
    }
}

fn lines(table: &Table) -> String {
    table.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
