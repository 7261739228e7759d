//! A further allocation of a running cluster, with values of its own for the profile's parameters.

use std::path::Path;

use rpar_core::scheduler::SchedulerInfo;
use rpar_core::wire::Growth;
use rpar_runtime::files::{FileError, write_private};
use thiserror::Error;

use super::setup::{self, SetupError};
use crate::paths::ClusterDir;
use crate::profile::{ProfileError, Resolved};

/// A running cluster cannot have such an allocation.
#[derive(Debug, Error)]
pub enum FurtherError {
    /// The profile would have the controller's own part be another one.
    #[error(
        "`{key}` would not be as cluster {cluster} was started with it, and its controller keeps to that"
    )]
    Differs {
        /// The cluster.
        cluster: String,
        /// The key.
        key: String,
    },
    /// Its job script cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It cannot be written down.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<ProfileError> for FurtherError {
    fn from(error: ProfileError) -> Self {
        FurtherError::Setup(error.into())
    }
}

/// What a running cluster asks for, with the file in its directory that the pilot reads. Nothing is written yet.
///
/// # Errors
/// When the controller's scheduler would have to work differently, or the request cannot be made.
pub(crate) fn further(
    directory: &ClusterDir,
    started: &Resolved,
    resolved: &Resolved,
    scheduler: &SchedulerInfo,
    program: &Path,
) -> Result<(String, Growth), FurtherError> {
    if let Some(key) = difference(started, resolved) {
        return Err(FurtherError::Differs { cluster: directory.cluster(), key });
    }
    let file = further_file(directory);
    let growth = setup::growth(resolved, scheduler, directory, program, &file)?;
    Ok((file, growth))
}

/// The name of a file for a further allocation's profile that is not taken yet.
pub(crate) fn further_file(directory: &ClusterDir) -> String {
    let name = |number: u32| format!("profile-{number}.toml");
    let taken = |number: &u32| directory.path.join(name(*number)).exists();
    name((2..).find(|number| !taken(number)).unwrap_or_default())
}

/// Writes the further allocation's profile down, where its pilot finds it. The caller holds the cluster's lock since
/// before [`further`] has chosen the file's name.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_further(
    directory: &ClusterDir,
    file: &str,
    resolved: &Resolved,
) -> Result<(), FurtherError> {
    Ok(write_private(&directory.path.join(file), resolved.to_toml()?.as_bytes())?)
}

/// The first key that the running controller goes by, and that would differ.
fn difference(started: &Resolved, resolved: &Resolved) -> Option<String> {
    let (ours, theirs) = (&started.scheduler, &resolved.scheduler);
    let key = ours.keys().chain(theirs.keys()).find(|key| ours.get(*key) != theirs.get(*key));
    let name = (started.request.name != resolved.request.name).then(|| "scheduler.name".to_owned());
    key.map(|key| format!("scheduler.{key}")).or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profiles, Surroundings};

    #[test]
    fn what_the_controller_goes_by_must_not_change() {
        let home = tempfile::tempdir().unwrap();
        let profiles = home.path().join(".config/rpar/profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let text = "extends = \"slurm\"\n[params.mem]\ntype = \"int\"\ndefault = 4\n\
                    [scheduler]\ndirectives = [\"--mem {{ mem }}G\"]\n";
        std::fs::write(profiles.join("site.toml"), text).unwrap();
        let around = Surroundings {
            home: home.path().into(),
            variables: Default::default(),
            ..Surroundings::current()
        };
        let profile = Profiles::new(around.clone()).load("site").unwrap();
        let resolve = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            profile.resolve(&values.collect(), None).unwrap()
        };
        let started = resolve(&[]);
        let directory = ClusterDir::new(&started, "default", &around).unwrap();
        let info = SchedulerInfo {
            name: "slurm".into(),
            queued: true,
            remote_pilot: true,
            walltime: true,
            arrays: true,
        };
        let further = |values: &[(&str, &str)]| {
            further(&directory, &started, &resolve(values), &info, "/bin/rpar".as_ref())
        };
        let (file, growth) = further(&[("nodes", "3"), ("ppn", "4"), ("walltime", "10m")]).unwrap();
        assert_eq!(
            (file.as_str(), growth.engines(), growth.portions[0].request.nodes),
            ("profile-2.toml", 12, 3)
        );
        let pilot =
            ["/bin/rpar", "pilot", "--directory", directory.path.to_str().unwrap(), "--resolved", &file];
        assert_eq!(growth.portions[0].request.pilot, pilot);
        for (values, key) in
            [(("mem", "8"), "`scheduler.directives`"), (("name", "mine"), "`scheduler.name`")]
        {
            let error = further(&[values]).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("site/default"), "{error}");
        }
    }
}
