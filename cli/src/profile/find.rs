//! Finds profiles: shipped, the site's, the user's, the project's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Value;

use super::chain;
use super::error::{ProfileError, suggestion};
use super::layer::Layer;
use super::level::LayerFile;
use super::merge::{self, Profile};
use super::normalise::normalise;
use super::origin::Origin;
use super::shipped::SHIPPED;
use super::surroundings::Surroundings;
use super::variables;

/// All profiles that can be used here.
#[derive(Clone, Debug)]
pub struct Profiles {
    surroundings: Surroundings,
    /// A file, and the text that is taken for its content.
    draft: Option<(PathBuf, String)>,
}

/// A profile in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its description, or what is wrong with it.
    pub description: Result<String, ProfileError>,
    /// The files it is made of (without those that it extends), lowest layer first.
    pub files: Vec<Origin>,
}

impl Profiles {
    /// Those that these surroundings make visible.
    pub fn new(surroundings: Surroundings) -> Self {
        Profiles { surroundings, draft: None }
    }

    /// The same, as they would be if `path` held `text`.
    #[must_use]
    pub fn with(&self, path: PathBuf, text: String) -> Self {
        Profiles { surroundings: self.surroundings.clone(), draft: Some((path, text)) }
    }

    /// Those of this process.
    pub fn current() -> Self {
        Profiles::new(Surroundings::current())
    }

    /// What they depend on.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The directories that are searched, lowest layer first: the site's, the user's, the project's.
    pub fn directories(&self) -> [PathBuf; 3] {
        let around = &self.surroundings;
        let site = around.variable("RPAR_SITE_PROFILES").map(|path| around.expand(path));
        [
            site.unwrap_or_else(|| around.system_profiles.clone()),
            self.user_directory(),
            around.directory.join(".rpar/profiles"),
        ]
    }

    /// Where the user's own profiles are.
    fn user_directory(&self) -> PathBuf {
        self.surroundings.xdg("XDG_CONFIG_HOME", ".config").join("rpar/profiles")
    }

    /// The names of all profiles, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = SHIPPED.iter().map(|shipped| shipped.name.to_owned()).collect();
        for directory in self.directories() {
            // a directory that is absent or closed to this user adds no names
            let Ok(entries) = fs::read_dir(directory) else { continue };
            let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let found = files.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned));
            names.extend(found.filter(|name| check_name("profile", name).is_ok()));
        }
        names.sort();
        names.dedup();
        names
    }

    /// All profiles with their descriptions; a broken one is listed with what is wrong.
    pub fn list(&self) -> Vec<Listed> {
        let listed = self.names().into_iter().map(|name| {
            let files = self.files(&name);
            let description = self.load(&name).map(|profile| profile.description().to_owned());
            Listed { name, description, files }
        });
        listed.collect()
    }

    /// Loads a profile with everything that it extends, and the environment's changes to it.
    ///
    /// # Errors
    /// When there is no such profile, or when anything in any of its layers is not allowed.
    pub fn load(&self, name: &str) -> Result<Profile, ProfileError> {
        let mut layers = chain::layers(self, name)?;
        let mut environment = variables::layer(&self.surroundings);
        environment.table.remove("extends");
        normalise(&mut environment)?;
        layers.push(environment);
        merge::merge(name, layers, &self.surroundings)
    }

    /// The files that a profile is made of, lowest layer first, with those of what it extends. Of one that cannot be read
    /// whole, its own.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn layers(&self, name: &str) -> Result<Vec<LayerFile>, ProfileError> {
        check_name("profile", name)?;
        let of = |profile: &str, origin: Origin| match origin {
            Origin::File { path, .. } => {
                LayerFile { profile: profile.to_owned(), level: self.level(&path), path: Some(path) }
            }
            _ => LayerFile { profile: profile.to_owned(), level: None, path: None },
        };
        let own = self.files(name);
        if own.is_empty() {
            return Err(self.unknown(name));
        }
        let Ok(layers) = chain::layers(self, name) else {
            return Ok(own.into_iter().map(|origin| of(name, origin)).collect());
        };
        Ok(layers.into_iter().map(|layer| of(&layer.profile(), layer.origin)).collect())
    }

    /// The layers of one name, lowest first, without what they extend; empty if there are none.
    pub(crate) fn own_layers(&self, name: &str) -> Result<Vec<Layer>, ProfileError> {
        let shipped = SHIPPED.iter().find(|shipped| shipped.name == name);
        let shipped = shipped.map(|shipped| {
            Layer::parse(shipped.text, Origin::Shipped { profile: name.to_owned(), line: None })
        });
        let mut layers: Vec<Layer> = shipped.transpose()?.into_iter().collect();
        for path in self.paths(name) {
            let draft = self.draft.as_ref().filter(|(drafted, _)| *drafted == path);
            layers.extend(match draft {
                Some((_, text)) => Some(Layer::parse(text, Origin::File { path, line: None })?),
                None => Layer::read(path)?,
            });
        }
        layers.iter_mut().try_for_each(normalise)?;
        Ok(layers)
    }

    pub(crate) fn known(&self, wrong: &str) -> String {
        let names = self.names();
        suggestion(wrong, "known profiles", names.iter().map(String::as_str))
    }

    pub(crate) fn unknown(&self, name: &str) -> ProfileError {
        let write = self.user_directory().join(format!("{name}.toml"));
        ProfileError::Unknown { name: name.to_owned(), suggestion: self.known(name), write }
    }

    fn paths(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let file = format!("{name}.toml");
        self.directories().into_iter().map(move |directory| directory.join(&file))
    }

    fn files(&self, name: &str) -> Vec<Origin> {
        let shipped = SHIPPED.iter().any(|shipped| shipped.name == name);
        let shipped = shipped.then(|| Origin::Shipped { profile: name.to_owned(), line: None });
        let files = self.paths(name).filter(|path| Path::is_file(path));
        shipped.into_iter().chain(files.map(|path| Origin::File { path, line: None })).collect()
    }
}

/// Refuses names that would not be safe as directories, or hard to type.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), ProfileError> {
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if first && rest && name.len() <= 64 {
        return Ok(());
    }
    Err(ProfileError::Name { what, name: name.to_owned() })
}

/// The profile that the highest of these layers extends, other than itself: a layer that names its own profile means
/// the layers below it, which are there anyway.
pub(crate) fn extended<'a>(name: &str, layers: &'a [Layer]) -> Option<(&'a str, Origin)> {
    let named = layers.iter().enumerate().rev().filter_map(|(index, layer)| {
        let base = layer.table.get("extends").and_then(Value::as_str)?;
        Some((index, base, layer.place("extends")))
    });
    let mut others = named.filter(|(index, base, _)| *index == 0 || *base != name);
    others.next().map(|(_, base, place)| (base, place))
}

/// All keys of a table and the tables in it, by their whole paths.
pub(crate) fn leaves(table: &toml::Table, above: &str, found: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = super::layer::join(above, key);
        match value {
            Value::Table(inner) => leaves(inner, &path, found),
            other => {
                found.insert(path, other.clone());
            }
        }
    }
}
