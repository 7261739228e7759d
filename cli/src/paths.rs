//! Where clusters keep their files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rpar_core::id::ClusterTag;
use rpar_core::profile::Place;
use rpar_runtime::files;
use sha2::{Digest, Sha256};

use crate::profile::{Profile, ProfileError, Profiles, Resolved, Surroundings, check_name};

/// The cluster id when none is given.
pub const DEFAULT_CLUSTER: &str = "default";

/// The profile when none is given.
pub const DEFAULT_PROFILE: &str = "local";

/// The flags that name a cluster on a command line, each with a blank before it; nothing for the one that needs none.
pub(crate) fn flags(profile: &str, cluster_id: &str) -> String {
    let profile = match profile {
        DEFAULT_PROFILE => String::new(),
        other => format!(" --profile {other}"),
    };
    match cluster_id {
        DEFAULT_CLUSTER => profile,
        other => format!("{profile} --cluster-id {other}"),
    }
}

/// A cluster's directory and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterDir {
    /// The profile's name.
    pub profile: String,
    /// The cluster's id.
    pub cluster_id: String,
    /// The directory: mode 0700 when it is there; it need not be.
    pub path: PathBuf,
}

impl ClusterDir {
    /// The directory of a cluster about to start, from its resolved profile.
    ///
    /// # Errors
    /// When the cluster's id is not allowed as a directory's name.
    pub fn new(
        resolved: &Resolved,
        cluster_id: &str,
        surroundings: &Surroundings,
    ) -> Result<ClusterDir, ProfileError> {
        let root = resolved.storage.dir.as_ref().map(PathBuf::from);
        ClusterDir::below(root, &resolved.profile, cluster_id, surroundings)
    }

    /// The directory that a cluster of this profile has, started or not.
    ///
    /// # Errors
    /// When the cluster's id is not allowed as a directory's name, or `[storage]` is wrong.
    pub fn of(profile: &Profile, cluster_id: &str) -> Result<ClusterDir, ProfileError> {
        let root = profile.storage_dir()?.map(PathBuf::from);
        ClusterDir::below(root, profile.name(), cluster_id, profile.surroundings())
    }

    /// The directory of a cluster that may be running. A profile that cannot be loaded any more does not hide a
    /// cluster that it has started in the state directory: stopping it must stay possible.
    ///
    /// # Errors
    /// When the profile cannot be loaded and no such cluster is there, or when a name is not allowed.
    pub fn find(profiles: &Profiles, profile: &str, cluster_id: &str) -> Result<ClusterDir, ProfileError> {
        let found = profiles.load(profile).and_then(|profile| ClusterDir::of(&profile, cluster_id));
        found.or_else(|error| {
            let usual = ClusterDir::below(None, profile, cluster_id, profiles.surroundings())?;
            if usual.profile_file().is_file() { Ok(usual) } else { Err(error) }
        })
    }

    fn below(
        root: Option<PathBuf>,
        profile: &str,
        cluster_id: &str,
        surroundings: &Surroundings,
    ) -> Result<ClusterDir, ProfileError> {
        check_name("profile", profile)?;
        check_name("cluster id", cluster_id)?;
        let root = root.unwrap_or_else(|| state_directory(surroundings));
        let path = root.join(profile).join(cluster_id);
        Ok(ClusterDir { profile: profile.to_owned(), cluster_id: cluster_id.to_owned(), path })
    }

    /// The cluster's name in messages and connection files: `PROFILE/CLUSTER_ID`.
    pub fn cluster(&self) -> String {
        format!("{}/{}", self.profile, self.cluster_id)
    }

    /// The command that does something to this cluster, as the user would type it, for messages.
    pub fn command(&self, verb: &str) -> String {
        format!("`rpar{} {verb}`", flags(&self.profile, &self.cluster_id))
    }

    /// What marks the cluster's allocations in the site's queue: the profile's `name`, `-`, and 8 digits that differ
    /// between directories. At most 15 characters, which is what Torque takes.
    pub fn tag(&self, name: &str) -> ClusterTag {
        self.tag_of(name, "")
    }

    /// The same for the allocation that its controller runs in, which is no other cluster's either.
    pub(crate) fn controller_tag(&self, name: &str) -> ClusterTag {
        self.tag_of(name, "/controller")
    }

    /// The tags of all its allocations.
    pub(crate) fn tags(&self, resolved: &Resolved) -> Vec<ClusterTag> {
        let name = &resolved.request.name;
        let own = (resolved.controller.r#where == Place::Allocation).then(|| self.controller_tag(name));
        [self.tag(name)].into_iter().chain(own).collect()
    }

    fn tag_of(&self, name: &str, what: &str) -> ClusterTag {
        let hash = Sha256::digest([self.path.as_os_str().as_encoded_bytes(), what.as_bytes()].concat());
        let digits: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        ClusterTag(format!("{name}-{digits}"))
    }

    /// The resolved profile.
    pub fn profile_file(&self) -> PathBuf {
        self.path.join(Resolved::FILE)
    }

    /// The clients' connection file.
    pub fn client_file(&self) -> PathBuf {
        self.path.join(files::CLIENT_FILE)
    }

    /// The engines' connection file.
    pub fn engine_file(&self) -> PathBuf {
        self.path.join(files::ENGINE_FILE)
    }

    /// Which process the controller is.
    pub fn controller_file(&self) -> PathBuf {
        self.path.join(files::CONTROLLER_FILE)
    }

    /// Where everything logs to.
    pub fn logs(&self) -> PathBuf {
        self.path.join(files::LOGS_DIRECTORY)
    }
}

/// The id of a throw-away cluster, from random bytes.
pub(crate) fn throw_away_id(random: [u8; 8]) -> String {
    format!("{THROW_AWAY}{:016x}", u64::from_le_bytes(random))
}

/// Whether a cluster of this id is a throw-away one.
pub(crate) fn is_throw_away(cluster_id: &str) -> bool {
    let digits = cluster_id.strip_prefix(THROW_AWAY);
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// How the ids of throw-away clusters begin.
const THROW_AWAY: &str = "rpar-";

/// The directory above `PROFILE/CLUSTER_ID` for profiles without a `[storage] dir`.
pub(crate) fn state_directory(surroundings: &Surroundings) -> PathBuf {
    surroundings.xdg("XDG_STATE_HOME", ".local/state").join("rpar")
}

/// The directory for what ends with a process, as a path that other processes can be told: `$TMPDIR`, else `/tmp`. As other
/// programs do, this takes an empty variable for none.
pub(crate) fn temporary_directory() -> PathBuf {
    std::path::absolute(std::env::temp_dir()).unwrap_or_else(|_| PathBuf::from("/tmp"))
}

/// The directories above `PROFILE/CLUSTER_ID` of all profiles. Of those that cannot be loaded only the usual one is known.
fn roots(profiles: &Profiles) -> BTreeSet<PathBuf> {
    let mut roots = BTreeSet::from([state_directory(profiles.surroundings())]);
    for name in profiles.names() {
        let storage = profiles.load(&name).and_then(|profile| profile.storage_dir());
        roots.extend(storage.ok().flatten().map(PathBuf::from));
    }
    roots
}

/// All clusters that have a directory here, running or not, in the order of their names. Profiles that cannot be
/// loaded are looked for in the state directory only.
pub fn cluster_dirs(profiles: &Profiles) -> Vec<ClusterDir> {
    let mut found = Vec::new();
    for root in &roots(profiles) {
        for profile in subdirectories(root) {
            for cluster_id in subdirectories(&root.join(&profile)) {
                let path = root.join(&profile).join(&cluster_id);
                // a directory without a profile was never a cluster's, or is being made or removed
                if path.join(Resolved::FILE).is_file() {
                    found.push(ClusterDir { profile: profile.clone(), cluster_id, path });
                }
            }
        }
    }
    found.sort();
    found
}

/// The names of the directories in one that could be a profile's or a cluster's.
pub(crate) fn subdirectories(path: &Path) -> Vec<String> {
    // an unreadable or absent directory has no clusters of this user
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| entry.path().is_dir());
    let names = directories.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| check_name("directory", name).is_ok()).collect()
}
