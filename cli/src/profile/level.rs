//! Whose profile a file is.

use std::fmt;
use std::path::PathBuf;

use super::find::Profiles;

/// A directory of profiles, lowest layer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For everybody at the site.
    Site,
    /// For one user.
    User,
    /// For who works in one directory.
    Project,
}

/// One file, or shipped text, that a profile is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// The profile that it belongs to: the one that was asked for, or one that it extends.
    pub profile: String,
    /// Whose it is; `None` for what comes with rpar.
    pub level: Option<Level>,
    /// Where it is; `None` for what comes with rpar.
    pub path: Option<PathBuf>,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Site => "site",
            Level::User => "user",
            Level::Project => "project",
        })
    }
}

impl Profiles {
    /// Where a profile of this name is, or would be, at a level.
    pub fn file(&self, level: Level, name: &str) -> PathBuf {
        self.directories()[level as usize].join(format!("{name}.toml"))
    }

    /// Whose a file in one of the directories is.
    pub(crate) fn level(&self, path: &std::path::Path) -> Option<Level> {
        let levels = [Level::Site, Level::User, Level::Project];
        levels
            .into_iter()
            .zip(self.directories())
            .rev()
            .find_map(|(level, directory)| (path.parent() == Some(&*directory)).then_some(level))
    }
}
