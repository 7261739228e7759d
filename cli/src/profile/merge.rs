//! A profile: its layers, merged, with the origin of every value.

use std::collections::BTreeMap;

use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Provider};
use rpar_core::profile::{Param, Scalar};
use toml::{Table, Value};

use super::defaults;
use super::error::ProfileError;
use super::layer::{Layer, join};
use super::origin::Origins;
use super::params::params;
use super::render::Variables;
use super::surroundings::Surroundings;

/// A profile as it is before the user has given values for its parameters.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) origins: Origins,
    pub(crate) params: Vec<Param>,
    pub(crate) surroundings: Surroundings,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its author says of it; may be empty.
    pub fn description(&self) -> &str {
        self.table.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its parameters: first those that every profile has, then its own by name.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// What it was loaded in.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// All merged sections as they stand in the layers, with templates unrendered.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Which layer set each value.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Every value with its key and origin, in the order of keys.
    pub fn values(&self) -> Vec<(String, Value)> {
        let mut found = BTreeMap::new();
        super::find::leaves(&self.table, "", &mut found);
        found.into_iter().collect()
    }

    /// The variables of templates that are not parameters.
    pub(crate) fn facts(surroundings: &Surroundings, name: &str) -> Variables {
        let text = |text: &str| Some(Scalar::Text(text.to_owned()));
        let home = surroundings.home.display().to_string();
        [
            ("cores".to_owned(), Some(Scalar::Int(surroundings.cores.into()))),
            ("home".to_owned(), text(&home)),
            ("profile".to_owned(), text(name)),
            ("user".to_owned(), text(&surroundings.user)),
        ]
        .into()
    }
}

/// Merges layers (lowest first) over the built-in defaults.
pub(crate) fn merge(
    name: &str,
    layers: Vec<Layer>,
    surroundings: &Surroundings,
) -> Result<Profile, ProfileError> {
    let mut layers: Vec<Layer> = [defaults::layer()?].into_iter().chain(layers).collect();
    for section in ["scheduler", "launcher", "transport"] {
        forget_other_kinds(&mut layers, section);
    }
    forget_other_templates(&mut layers)?;
    let mut figment = Figment::new();
    for (index, layer) in layers.iter().enumerate() {
        figment = figment.merge(Provided { index, table: &layer.table });
    }
    let failed = |error| ProfileError::from_figment(error, "", &[], &Origins::default());
    let data = figment.data().map_err(failed)?;
    let mut origins = Origins::new(name);
    for dict in data.values() {
        record(&figment, &layers, dict, "", &mut origins);
    }
    let mut table: Table = figment.extract().map_err(failed)?;
    table.remove("extends");
    let params = params(name, &table, &origins, surroundings)?;
    Ok(Profile { name: name.to_owned(), table, origins, params, surroundings: surroundings.clone() })
}

/// A layer as figment takes it. Everything goes to figment's default profile: its own profiles are not used, because
/// selecting one that does not exist silently gives the default.
struct Provided<'a> {
    index: usize,
    table: &'a Table,
}

impl Provider for Provided<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.index.to_string())
    }

    fn data(&self) -> Result<Map<figment::Profile, Dict>, figment::Error> {
        let dict = figment::value::Value::serialize(self.table)?.into_dict().unwrap_or_default();
        Ok(Map::from([(figment::Profile::Default, dict)]))
    }
}

fn record(figment: &Figment, layers: &[Layer], dict: &Dict, above: &str, origins: &mut Origins) {
    for (key, value) in dict {
        let path = join(above, key);
        if let Some(inner) = value.as_dict() {
            record(figment, layers, inner, &path, origins);
            continue;
        }
        let index = figment.get_metadata(value.tag()).and_then(|metadata| metadata.name.parse().ok());
        if let Some(layer) = index.and_then(|index: usize| layers.get(index)) {
            origins.set(&path, layer.place(&path), layer.spelled.get(&path));
        }
    }
}

/// When a higher layer chooses another `kind`, the lower layers' options for the old one are no longer meant. What
/// any kind takes stays.
fn forget_other_kinds(layers: &mut [Layer], section: &str) {
    let kind = |layer: &Layer| layer.section(section)?.get("kind")?.as_str().map(str::to_owned);
    let mut current: Option<String> = None;
    let mut since = 0;
    for (index, layer) in layers.iter().enumerate() {
        if let Some(kind) = kind(layer) {
            if current.as_ref().is_some_and(|current| *current != kind) {
                since = index;
            }
            current = Some(kind);
        }
    }
    for layer in &mut layers[..since] {
        if let Some(Value::Table(table)) = layer.table.get_mut(section) {
            table.retain(|key, _| super::resolve::common(section).contains(&key));
        }
    }
}

/// A job script of a higher layer replaces that of a lower one, whether it is in the profile or in a file.
fn forget_other_templates(layers: &mut [Layer]) -> Result<(), ProfileError> {
    const KEYS: [&str; 2] = ["template", "template_file"];
    let has = |layer: &Layer| {
        KEYS.map(|key| layer.section("scheduler").is_some_and(|table| table.contains_key(key)))
    };
    if let Some(layer) = layers.iter().find(|layer| has(layer) == [true; 2]) {
        let [key, other] = KEYS.map(|key| format!("scheduler.{key}"));
        return Err(ProfileError::Twice { place: layer.place(&other).to_string(), key, other });
    }
    let highest = layers.iter().rposition(|layer| has(layer) != [false; 2]).unwrap_or(0);
    for layer in &mut layers[..highest] {
        if let Some(Value::Table(table)) = layer.table.get_mut("scheduler") {
            table.retain(|key, _| !KEYS.contains(&key));
        }
    }
    Ok(())
}
