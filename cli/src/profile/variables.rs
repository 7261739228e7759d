//! Configuration by environment: `RPAR_SECTION__KEY`. Names without a double underscore are other things.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::layer::{Layer, join};
use super::origin::Origin;
use super::surroundings::Surroundings;

/// The layer that the environment makes. An empty variable counts as unset. Values are TOML where they are valid TOML
/// (`8`, `true`, `["ib0"]`), else texts; a parameter's value is always taken as text first, so that an account `0123`
/// keeps its zero.
pub(crate) fn layer(surroundings: &Surroundings) -> Layer {
    let mut table = Table::new();
    let mut places = BTreeMap::new();
    let set = surroundings.variables.iter().filter(|(_, text)| !text.is_empty());
    for (name, text) in set {
        let Some(path) = name.strip_prefix("RPAR_").filter(|path| path.contains("__")) else { continue };
        let path = path.to_ascii_lowercase();
        let parts: Vec<&str> = path.split("__").collect();
        let value = if parts[0] == "params" { Value::String(text.clone()) } else { value(text) };
        insert(&mut table, &parts, value);
        let mut around = String::new();
        for part in parts {
            around = join(&around, part);
            places.insert(around.clone(), Origin::Variable(name.clone()));
        }
    }
    // every key has a place of its own; this one is never shown
    let origin = Origin::Variable("RPAR_SECTION__KEY".to_owned());
    Layer { table, origin, places, spelled: BTreeMap::new() }
}

fn insert(table: &mut Table, parts: &[&str], value: Value) {
    match parts {
        [] => (),
        [last] => {
            table.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                // both RPAR_PARAMS__PPN and RPAR_PARAMS__PPN__HELP: the first is short for its default
                *inner = Value::Table(Table::from_iter([("default".to_owned(), inner.clone())]));
            }
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn value(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    match parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value")) {
        Some(Value::Datetime(_)) | None => Value::String(text.to_owned()),
        Some(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_something_of_it_are_both_kept() {
        let mut table = Table::new();
        insert(&mut table, &["params", "ppn"], Value::Integer(3));
        insert(&mut table, &["params", "ppn", "help"], Value::String("x".to_owned()));
        let ppn = table["params"]["ppn"].as_table().unwrap();
        assert_eq!((ppn["default"].as_integer(), ppn["help"].as_str()), (Some(3), Some("x")));
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(value("8"), Value::Integer(8));
        assert_eq!(value("[\"ib0\"]"), Value::Array(vec![Value::String("ib0".to_owned())]));
        for text in ["debug", "00:30:00", "1\nx = 2", "2026-01-01", ""] {
            assert_eq!(value(text), Value::String(text.to_owned()), "{text}");
        }
    }
}
