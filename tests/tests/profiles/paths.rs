//! Where clusters are.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rpar::paths::{ClusterDir, cluster_dirs};
use rpar::profile::{Profiles, Surroundings};

use crate::surroundings;

fn at(variables: &[(&str, &str)]) -> Surroundings {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Surroundings { variables: variables.collect(), ..surroundings("good") }
}

fn directory(around: &Surroundings, profile: &str, cluster_id: &str) -> ClusterDir {
    let profile = Profiles::new(around.clone()).load(profile).expect("it loads");
    let found = ClusterDir::of(&profile, cluster_id).expect("it has a directory");
    let resolved = profile.resolve(&BTreeMap::new(), None).expect("it resolves");
    assert_eq!(ClusterDir::new(&resolved, cluster_id, around).expect("it has a directory"), found);
    found
}

/// Environment variables, a profile, and where its cluster is.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

#[test]
fn a_cluster_lives_in_the_state_directory_or_where_the_profile_says() {
    let cases: [Case<'_>; 4] = [
        (&[], "plain", "/home/ann/.local/state/rpar/plain/default"),
        (&[("XDG_STATE_HOME", "/var/state")], "plain", "/var/state/rpar/plain/default"),
        (&[("XDG_STATE_HOME", "relative")], "plain", "/home/ann/.local/state/rpar/plain/default"),
        (&[("XDG_STATE_HOME", "/var/state")], "script-file", "/home/ann/clusters/ann/script-file/default"),
    ];
    for (variables, profile, expected) in cases {
        assert_eq!(directory(&at(variables), profile, "default").path, PathBuf::from(expected));
    }
}

#[test]
fn tags_fit_torque_and_differ_between_clusters() {
    let around = at(&[]);
    let one = directory(&around, "plain", "default").tag("rpar");
    let other = directory(&around, "plain", "other").tag("rpar");
    assert_ne!(one, other);
    assert_eq!(one, directory(&around, "plain", "default").tag("rpar"), "the same directory, the same tag");
    assert!(one.0.starts_with("rpar-") && one.0.len() == 13, "{one}");
    assert_eq!(directory(&around, "plain", "default").tag("abcdef").0.len(), 15);
}

#[test]
fn a_cluster_id_is_safe_as_a_directory() {
    let profile = Profiles::new(at(&[])).load("plain").expect("it loads");
    for wrong in ["", ".", "..", "a/b", "-x", "a b", &"x".repeat(65)] {
        let told = ClusterDir::of(&profile, wrong).expect_err(wrong).to_string();
        assert!(told.starts_with(&format!("cluster id `{wrong}` is not allowed: ")), "{told}");
    }
}

#[test]
fn all_clusters_are_found_wherever_their_profiles_keep_them() {
    let home = tempfile::tempdir().expect("a directory");
    let around = Surroundings { home: home.path().to_owned(), ..at(&[]) };
    let mut made = Vec::new();
    for (profile, cluster_id) in [("carver", "default"), ("plain", "a"), ("plain", "b"), ("script-file", "x")]
    {
        let cluster = directory(&around, profile, cluster_id);
        fs::create_dir_all(&cluster.path).expect("made");
        fs::write(cluster.profile_file(), "").expect("written");
        made.push(cluster);
    }
    // one that is being made has no profile yet
    fs::create_dir_all(directory(&around, "plain", "unready").path).expect("made");
    assert_eq!(cluster_dirs(&Profiles::new(around)), made);
}

#[test]
fn the_next_command_is_the_one_that_a_user_would_type() {
    let around = at(&[]);
    let command = |profile: &str, cluster_id: &str| directory(&around, profile, cluster_id).command("start");
    assert_eq!(command("local", "default"), "`rpar start`");
    assert_eq!(command("carver", "default"), "`rpar --profile carver start`");
    assert_eq!(command("carver", "two"), "`rpar --profile carver --cluster-id two start`");
}
