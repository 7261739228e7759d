//! The parameters of a merged profile.

use rpar_core::profile::{Param, ParamSpec, ParamType};
use toml::{Table, Value};

use super::error::{ProfileError, suggestion};
use super::merge::Profile;
use super::normalise::{STANDARD, is_template};
use super::origin::Origins;
use super::render::{self, Variables};
use super::section;
use super::surroundings::Surroundings;

/// First those that every profile has, then the profile's own by name.
pub(super) fn params(
    profile: &str,
    table: &Table,
    origins: &Origins,
    surroundings: &Surroundings,
) -> Result<Vec<Param>, ProfileError> {
    let facts = Profile::facts(surroundings, profile);
    let empty = Table::new();
    let specs = table.get("params").and_then(Value::as_table).unwrap_or(&empty);
    let standard = STANDARD.iter().map(|(name, ..)| *name);
    let own =
        specs.keys().map(String::as_str).filter(|name| STANDARD.iter().all(|(known, ..)| known != name));
    let known: Vec<&str> = standard.chain(own).collect();
    let mut params = Vec::new();
    for name in &known {
        let spec = specs.get(*name).and_then(Value::as_table).unwrap_or(&empty);
        params.push(param(name, spec, origins, &facts, &known)?);
    }
    Ok(params)
}

fn param(
    name: &str,
    table: &Table,
    origins: &Origins,
    facts: &Variables,
    known: &[&str],
) -> Result<Param, ProfileError> {
    let path = format!("params.{name}");
    if !table.contains_key("type") {
        let first = table.keys().next().map_or_else(|| path.clone(), |key| format!("{path}.{key}"));
        let others = known.iter().copied().filter(|other| other != &name);
        let suggestion = suggestion(name, "parameters", others);
        let suggestion = format!("{suggestion}; a new parameter needs a `type`");
        return Err(ProfileError::UnknownKey { place: origins.place(&first), key: path, suggestion });
    }
    let mut table = table.clone();
    if let Some(default) = table.get("default").filter(|default| is_template(default)) {
        let key = format!("{path}.default");
        let rendered = render::value(default, facts).map_err(|reason| ProfileError::Template {
            place: origins.place(&key),
            key: origins.spelled(&key).to_owned(),
            reason,
        })?;
        match rendered {
            Some(value) => table.insert("default".to_owned(), value),
            None => table.remove("default"),
        };
    }
    let spec: ParamSpec = section::parse(&table, &path, origins)?;
    check_standard(name, &spec, &origins.place(&format!("{path}.type")))?;
    Param::new(name, &spec).map_err(|error| {
        let wrong = error.key.unwrap_or("default");
        let key = format!("{path}.{wrong}");
        if !table.contains_key(wrong) {
            let place = origins.place(&format!("{path}.type"));
            return ProfileError::Missing { place, key, expected: error.expected };
        }
        let spelled = origins.spelled(&key).to_owned();
        let value = format!("`{}`", error.value);
        ProfileError::Value { place: origins.place(&key), key: spelled, value, expected: error.expected }
    })
}

/// A profile may narrow the parameters that every profile has, not make something else of them.
fn check_standard(name: &str, spec: &ParamSpec, place: &str) -> Result<(), ProfileError> {
    let allowed: &[ParamType] = match name {
        "nodes" | "ppn" => &[ParamType::Int],
        "walltime" => &[ParamType::Duration],
        "queue" | "account" | "name" => &[ParamType::String, ParamType::Choice],
        _ => return Ok(()),
    };
    let kind = spec.kind.unwrap_or_default();
    if allowed.contains(&kind) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|kind| kind.name()).collect();
    let expected = format!("{}, as every profile has this parameter", names.join(" or "));
    let key = format!("params.{name}.type");
    Err(ProfileError::Value { place: place.to_owned(), key, value: format!("`{}`", kind.name()), expected })
}
