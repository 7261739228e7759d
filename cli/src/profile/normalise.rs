//! Brings one layer into the form that layers are merged in, and refuses what no profile may say.

use rpar_core::profile::{ParamSpec, ParamType};
use toml::{Table, Value};

use super::error::{ProfileError, suggestion};
use super::layer::Layer;

/// The keys at the top of a profile. All but the first two are sections.
const TOP: [&str; 9] = [
    "extends",
    "description",
    "params",
    "scheduler",
    "launcher",
    "transport",
    "controller",
    "engines",
    "python",
];
const STORAGE: &str = "storage";

/// Sections whose keys rpar itself reads; the others belong to the backend that `kind` names.
pub(crate) const OWN: [(&str, &[&str]); 4] = [
    (
        "controller",
        &[
            "where",
            "host",
            "walltime",
            "policy",
            "heartbeat",
            "lost_after",
            "poll_every",
            "queue_ahead",
            "attempts_limit",
            "submit_window_bytes",
            "result_bytes",
        ],
    ),
    ("engines", &["nodes", "ppn", "setup", "program", "labels", "resources", "give_up_after", "restarts"]),
    ("python", &["executable"]),
    (STORAGE, &["dir", "shared"]),
];

/// The parameters that every profile has, and the key that each one fills.
pub(crate) const STANDARD: [(&str, &str, &str); 6] = [
    ("nodes", "engines", "nodes"),
    ("ppn", "engines", "ppn"),
    ("walltime", "scheduler", "walltime"),
    ("queue", "scheduler", "queue"),
    ("account", "scheduler", "account"),
    ("name", "scheduler", "name"),
];

/// Names that a parameter cannot have: other variables of templates, and flags of the commands that take parameters.
const RESERVED: &[&str] = &[
    "cluster_id",
    "color",
    "cores",
    "directory",
    "dry_run",
    "engines",
    "env",
    "help",
    "here",
    "home",
    "jobs",
    "json",
    "log",
    "n",
    "no_rerun",
    "no_wait",
    "null",
    "pilot",
    "profile",
    "quiet",
    "retries",
    "start",
    "time",
    "timeout",
    "user",
    "verbose",
    "version",
    "workdir",
];

/// Checks a layer's form and rewrites it: `[params] x = 1` becomes `[params.x] default = 1`, and a constant such as
/// `[engines] nodes = 2` becomes the default of its parameter, so that a flag or a higher layer can still change it.
pub(crate) fn normalise(layer: &mut Layer) -> Result<(), ProfileError> {
    check_top(layer)?;
    for (section, known) in OWN {
        let table = layer.section(section).cloned().unwrap_or_default();
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(unknown(layer, section, key, known));
        }
    }
    spread_shorthands(layer)?;
    check_params(layer)?;
    STANDARD.iter().try_for_each(|(param, section, key)| move_constant(layer, param, section, key))
}

fn unknown(layer: &Layer, above: &str, key: &str, known: &[&str]) -> ProfileError {
    let path = super::layer::join(above, key);
    let place = layer.place(&path).to_string();
    ProfileError::UnknownKey {
        place,
        suggestion: suggestion(key, "known keys", known.iter().copied()),
        key: path,
    }
}

fn wrong(layer: &Layer, key: &str, value: &Value, expected: &str) -> ProfileError {
    let value = match value {
        Value::Table(_) => "a table".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    let place = layer.place(key).to_string();
    ProfileError::Value { place, key: key.to_owned(), value, expected: expected.to_owned() }
}

fn check_top(layer: &Layer) -> Result<(), ProfileError> {
    let known: Vec<&str> = TOP.into_iter().chain([STORAGE]).collect();
    for (key, value) in &layer.table {
        if !known.contains(&key.as_str()) {
            return Err(unknown(layer, "", key, &known));
        }
        let text = TOP[..2].contains(&key.as_str());
        if text && !value.is_str() {
            return Err(wrong(layer, key, value, "a text"));
        }
        if !text && !value.is_table() {
            return Err(wrong(layer, key, value, &format!("a section, as in [{key}]")));
        }
    }
    Ok(())
}

fn params(layer: &Layer) -> Table {
    layer.section("params").cloned().unwrap_or_default()
}

fn spread_shorthands(layer: &mut Layer) -> Result<(), ProfileError> {
    let mut params = params(layer);
    for (name, value) in &mut params {
        let path = format!("params.{name}");
        if value.is_array() || value.is_datetime() {
            return Err(wrong(layer, &path, value, "a value, or a section as in [params.ppn]"));
        }
        if !value.is_table() {
            let default = format!("{path}.default");
            layer.places.insert(default.clone(), layer.place(&path));
            layer.spelled.insert(default, path);
            *value = Value::Table(Table::from_iter([("default".to_owned(), value.clone())]));
        }
    }
    if !params.is_empty() {
        layer.table.insert("params".to_owned(), Value::Table(params));
    }
    Ok(())
}

fn check_params(layer: &Layer) -> Result<(), ProfileError> {
    for (name, spec) in &params(layer) {
        let path = format!("params.{name}");
        let mut letters = name.bytes();
        let proper = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !proper {
            let expected = "a name of a lower-case letter, then lower-case letters, digits and `_`";
            return Err(wrong(layer, &path, &Value::String(name.clone()), expected));
        }
        if RESERVED.contains(&name.as_str()) {
            let value = Value::String(name.clone());
            return Err(wrong(layer, &path, &value, "another name, as rpar uses this one itself"));
        }
        let Some(spec) = spec.as_table() else { continue };
        if let Some(key) = spec.keys().find(|key| !ParamSpec::KEYS.contains(&key.as_str())) {
            return Err(unknown(layer, &path, key, &ParamSpec::KEYS));
        }
        if let Some(kind) = spec.get("type") {
            let known = kind.as_str().is_some_and(|kind| ParamType::NAMES.contains(&kind));
            if !known {
                let expected = format!("one of {}", ParamType::NAMES.join(", "));
                return Err(wrong(layer, &format!("{path}.type"), kind, &expected));
            }
        }
    }
    Ok(())
}

/// Whether a value is a template.
pub(crate) fn is_template(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
}

fn move_constant(layer: &mut Layer, param: &str, section: &str, key: &str) -> Result<(), ProfileError> {
    let value = layer.section(section).and_then(|table| table.get(key)).cloned();
    let Some(value) = value.filter(|value| !is_template(value)) else { return Ok(()) };
    let (from, to) = (format!("{section}.{key}"), format!("params.{param}.default"));
    if value.is_table() || value.is_array() {
        return Err(wrong(layer, &from, &value, "a single value"));
    }
    let mut params = params(layer);
    let spec = params.entry(param.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(spec) = spec {
        if spec.contains_key("default") {
            let place = layer.place(&from).to_string();
            return Err(ProfileError::Twice { place, key: from, other: to });
        }
        spec.insert("default".to_owned(), value);
    }
    layer.table.insert("params".to_owned(), Value::Table(params));
    let place = layer.place(&from);
    layer.places.insert(to.clone(), place);
    layer.spelled.insert(to, from);
    if let Some(Value::Table(table)) = layer.table.get_mut(section) {
        table.insert(key.to_owned(), Value::String(format!("{{{{ {param} }}}}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::profile::{Profiles, Resolved, Surroundings};

    #[test]
    fn the_known_keys_are_those_that_a_resolved_profile_has() {
        let set = [
            ("RPAR_CONTROLLER__HOST", "x"),
            ("RPAR_CONTROLLER__WALLTIME", "1h"),
            ("RPAR_ENGINES__PROGRAM", "/x"),
            ("RPAR_ENGINES__LABELS", "[\"big\"]"),
            ("RPAR_ENGINES__RESOURCES", "{gpus=1}"),
            ("RPAR_PYTHON__EXECUTABLE", "/x"),
            ("RPAR_STORAGE__DIR", "/x"),
        ];
        let variables = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let nowhere = || std::path::PathBuf::from("/nonexistent");
        let profiles = Profiles::new(Surroundings {
            variables,
            home: nowhere(),
            user: "ann".to_owned(),
            directory: nowhere(),
            system_profiles: nowhere(),
            programs: None,
            cores: 2,
        });
        let resolved: Resolved = profiles.load("local").unwrap().resolve(&BTreeMap::new(), None).unwrap();
        let text: Table = toml::from_str(&resolved.to_toml().unwrap()).unwrap();
        for (section, known) in OWN {
            let mut keys: Vec<&str> = text[section].as_table().unwrap().keys().map(String::as_str).collect();
            keys.retain(|key| *key != "total");
            let mut known = known.to_vec();
            known.sort_unstable();
            keys.sort_unstable();
            assert_eq!(keys, known, "{section}");
        }
    }
}
