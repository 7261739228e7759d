//! What profiles depend on outside their files: directories, environment variables, facts about this host.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where profiles are looked for, and what their templates may use. Read from the process once, so that everything
/// behind it is the same for the same surroundings; tests make their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// The user's home directory.
    pub home: PathBuf,
    /// The user's name.
    pub user: String,
    /// The current directory.
    pub directory: PathBuf,
    /// The site's own profiles, unless `RPAR_SITE_PROFILES` names another directory.
    pub system_profiles: PathBuf,
    /// The directory of the running program: `pip install` puts it beside the Python that it belongs to.
    pub programs: Option<PathBuf>,
    /// Cores of this host that this process may use.
    pub cores: u32,
}

impl Surroundings {
    /// Those of this process.
    pub fn current() -> Self {
        let readable = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables: BTreeMap<String, String> = readable.collect();
        let directory = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let named = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let home = named("HOME").map(PathBuf::from);
        // daemons and `env -i` leave it out; the system's list of users still knows it
        let home = home.or_else(|| env::home_dir().filter(|home| home.is_absolute()));
        let home = home.unwrap_or_else(|| PathBuf::from("/"));
        let user = named("USER").or_else(|| named("LOGNAME")).cloned();
        let user = user.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        Surroundings {
            home,
            user,
            directory,
            system_profiles: PathBuf::from("/etc/rpar/profiles"),
            programs: env::current_exe().ok().and_then(|program| program.parent().map(PathBuf::from)),
            cores,
            variables,
        }
    }

    /// A variable's value, unless it is empty or unset.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The directory that a variable of the XDG Base Directory Specification names, or its default below the home
    /// directory. The specification has relative paths ignored.
    pub(crate) fn xdg(&self, variable: &str, default: &str) -> PathBuf {
        match self.variable(variable).map(PathBuf::from) {
            Some(path) if path.is_absolute() => path,
            _ => self.home.join(default),
        }
    }

    /// The program of this name that PATH leads to first; absolute.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let entries = self.variable("PATH").unwrap_or_default().split(':').filter(|entry| !entry.is_empty());
        entries.map(|entry| self.directory.join(entry).join(name)).find(|candidate| is_program(candidate))
    }

    /// `path` with a leading `~` replaced by the home directory, and made absolute.
    pub(crate) fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if path == "~" => self.home.clone(),
            None => self.directory.join(path),
        }
    }
}

/// Whether a file is there that this user may run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
