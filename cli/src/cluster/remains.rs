//! What clusters may leave behind when nobody is left to tidy up: whole directories, throw-away ones below `$TMPDIR`,
//! halves of either, empty directories of profiles, and locks that nobody holds.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::directory::LOCK_ENDING;
use super::lock::Lock;
use crate::paths::{
    ClusterDir, cluster_dirs, is_throw_away, state_directory, subdirectories, temporary_directory,
};
use crate::profile::{Profiles, Resolved};

/// Every directory of this user that is, or was, a cluster's, alive or not: those of [`cluster_dirs`], the throw-away ones
/// of this host, and those in the state directory that have no profile (any more).
pub(crate) fn clusters_and_remains(profiles: &Profiles) -> Vec<ClusterDir> {
    let mut found: BTreeSet<ClusterDir> = cluster_dirs(profiles).into_iter().collect();
    // the state directory is rpar's alone, a `[storage] dir` may be anybody's
    let state = state_directory(profiles.surroundings());
    for profile in subdirectories(&state) {
        for cluster_id in subdirectories(&state.join(&profile)) {
            let path = state.join(&profile).join(&cluster_id);
            found.insert(ClusterDir { profile: profile.clone(), cluster_id, path });
        }
    }
    found.extend(throw_aways(&temporary_directory()));
    found.into_iter().collect()
}

/// This user's throw-away clusters in a directory that others may write to as well.
fn throw_aways(directory: &Path) -> Vec<ClusterDir> {
    let own = rustix::process::getuid().as_raw();
    let ours = |path: &Path| {
        // not through a link that somebody else has put there
        fs::symlink_metadata(path).is_ok_and(|data| data.is_dir() && data.uid() == own)
    };
    let names = subdirectories(directory).into_iter().filter(|name| is_throw_away(name));
    let found =
        names.map(|cluster_id| (directory.join(&cluster_id), cluster_id)).filter(|(path, _)| ours(path));
    let named = found.map(|(path, cluster_id)| {
        let resolved = Resolved::read(&path.join(Resolved::FILE));
        let profile = resolved.map_or_else(|_| "local".into(), |resolved| resolved.profile);
        ClusterDir { profile, cluster_id, path }
    });
    named.collect()
}

/// Locks that nobody holds: whoever took them was killed. `remove` takes them away.
pub(crate) fn forgotten_locks(profiles: &Profiles, remove: bool) -> Vec<PathBuf> {
    let state = state_directory(profiles.surroundings());
    let mut found = Vec::new();
    for profile in subdirectories(&state) {
        found.extend(locks(&state.join(profile), |_| true));
    }
    found.extend(locks(&temporary_directory(), is_throw_away));
    // whoever has taken a lock removes it in the end
    found.retain(|path| !remove || Lock::take_within(path.clone(), Duration::ZERO).is_ok());
    found
}

/// The locks in a directory, of the clusters whose ids are `wanted`.
fn locks(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let named = |name: &String| {
        let cluster_id = name.strip_prefix('.').and_then(|name| name.strip_suffix(LOCK_ENDING));
        cluster_id.is_some_and(&wanted)
    };
    let mut found: Vec<PathBuf> = names.filter(named).map(|name| directory.join(name)).collect();
    found.sort();
    found
}

/// Directories of profiles below the state directory that hold nothing but `gone`. `remove` takes those away that are
/// empty.
pub(crate) fn empty_directories(profiles: &Profiles, gone: &[PathBuf], remove: bool) -> Vec<PathBuf> {
    let state = state_directory(profiles.surroundings());
    let directories = subdirectories(&state).into_iter().map(|profile| state.join(profile));
    let empty = |path: &PathBuf| {
        fs::read_dir(path).is_ok_and(|entries| entries.flatten().all(|entry| gone.contains(&entry.path())))
    };
    // the system itself refuses to remove what is not empty
    directories.filter(|path| if remove { fs::remove_dir(path).is_ok() } else { empty(path) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Surroundings;

    fn profiles(home: &Path) -> Profiles {
        let mut surroundings = Surroundings::current();
        surroundings.variables = [("XDG_STATE_HOME".to_owned(), home.display().to_string())].into();
        Profiles::new(surroundings)
    }

    #[test]
    fn only_what_is_named_and_owned_like_a_throw_away_cluster_is_one() {
        let temporary = tempfile::tempdir().unwrap();
        for name in ["rpar-0123456789abcdef", "rpar-home-x", "rpar-0123456789abcdeg", "other"] {
            fs::create_dir(temporary.path().join(name)).unwrap();
        }
        let (target, link) = ("other", temporary.path().join("rpar-ffffffffffffffff"));
        std::os::unix::fs::symlink(temporary.path().join(target), link).unwrap();
        let found: Vec<String> =
            throw_aways(temporary.path()).into_iter().map(|cluster| cluster.cluster_id).collect();
        assert_eq!(found, ["rpar-0123456789abcdef"]);
    }

    #[test]
    fn a_held_lock_and_what_is_not_empty_stay() {
        let home = tempfile::tempdir().unwrap();
        let profiles = profiles(home.path());
        let [held, forgotten] = [("a", ".x.lock"), ("b", ".y.lock")]
            .map(|(profile, lock)| home.path().join("rpar").join(profile).join(lock));
        for path in [&held, &forgotten] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let lock = Lock::take(held.clone()).unwrap();
        fs::write(&forgotten, "").unwrap();
        let found = forgotten_locks(&profiles, true);
        assert!(found.contains(&forgotten) && !found.contains(&held), "{found:?}");
        assert!(held.exists() && !forgotten.exists());
        let empty = forgotten.parent().unwrap().to_owned();
        let empty = [empty];
        assert_eq!(empty_directories(&profiles, &[], false), empty);
        assert_eq!(empty_directories(&profiles, &[], true), empty);
        drop(lock);
        assert!(held.parent().unwrap().exists());
    }
}
