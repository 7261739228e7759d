//! Where a value comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The layer, file and line that set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// rpar's own defaults.
    BuiltIn,
    /// A profile that comes with rpar.
    Shipped {
        /// The profile.
        profile: String,
        /// The line in it, from 1.
        line: Option<usize>,
    },
    /// A file of the site, the user or the project.
    File {
        /// The file.
        path: PathBuf,
        /// The line in it, from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
    /// A flag on the command line.
    Flag(String),
}

impl Origin {
    pub(crate) fn at_line(&self, line: Option<usize>) -> Origin {
        let mut origin = self.clone();
        match &mut origin {
            Origin::Shipped { line: own, .. } | Origin::File { line: own, .. } => *own = line,
            Origin::BuiltIn | Origin::Variable(_) | Origin::Flag(_) => (),
        }
        origin
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built-in default"),
            Origin::Shipped { profile, line: Some(line) } => {
                write!(f, "shipped profile {profile}, line {line}")
            }
            Origin::Shipped { profile, line: None } => write!(f, "shipped profile {profile}"),
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line: None } => write!(f, "{}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Flag(name) if name.len() == 1 => write!(f, "flag -{name}"),
            Origin::Flag(name) => write!(f, "flag --{}", name.replace('_', "-")),
        }
    }
}

/// The origin of every value of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    profile: String,
    by_key: BTreeMap<String, Origin>,
    /// What a key was called where it was set, if it was set under another name.
    spelled: BTreeMap<String, String>,
}

impl Origins {
    /// Origins of a profile's values.
    pub(crate) fn new(profile: &str) -> Self {
        Origins { profile: profile.to_owned(), ..Origins::default() }
    }

    /// Origins of values that all stand in one file.
    pub(crate) fn whole_file(path: PathBuf) -> Self {
        let origin = Origin::File { path, line: None };
        Origins { by_key: BTreeMap::from([(String::new(), origin)]), ..Origins::default() }
    }

    pub(crate) fn set(&mut self, key: &str, origin: Origin, spelled: Option<&String>) {
        self.by_key.insert(key.to_owned(), origin);
        if let Some(spelled) = spelled {
            self.spelled.insert(key.to_owned(), spelled.clone());
        }
    }

    /// The origin of a key such as `scheduler.queue`, or of the nearest thing around it.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        let mut key = key;
        loop {
            if let Some(origin) = self.by_key.get(key) {
                return Some(origin);
            }
            match key.rsplit_once('.') {
                Some((around, _)) => key = around,
                None if key.is_empty() => return None,
                None => key = "",
            }
        }
    }

    /// Where a key is, for messages; the profile as a whole if it is nowhere.
    pub(crate) fn place(&self, key: &str) -> String {
        self.of(key).map_or_else(|| format!("profile {}", self.profile), ToString::to_string)
    }

    /// What the key was called where it was set: a constant `engines.nodes` is the default of `params.nodes`.
    pub(crate) fn spelled<'a>(&'a self, key: &'a str) -> &'a str {
        self.spelled.get(key).map_or(key, String::as_str)
    }

    /// All keys that have a value, with their origins, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.by_key.iter().map(|(key, origin)| (key.as_str(), origin))
    }
}
