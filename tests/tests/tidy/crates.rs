//! Edges between crates, and which crate may use which package of others.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::{files, root};

/// Who may depend on whom, by crate.
const EDGES: [(&str, &[&str]); 9] = [
    ("rpar-core", &[]),
    ("rpar-runtime", &["rpar-core"]),
    ("rpar-backends", &["rpar-core"]),
    ("rpar-transports", &["rpar-core"]),
    ("rpar-testkit", &["rpar-core"]),
    ("rpar-cli", &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports"]),
    ("rpar-python", &["rpar-cli"]),
    ("rpar-benches", &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports", "rpar-cli"]),
    (
        "rpar-tests",
        &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports", "rpar-cli", "rpar-testkit"],
    ),
];

/// Packages that belong to one room: what they are used for is that room's concept.
const HOMES: [(&str, &[&str]); 12] = [
    ("clap", &["rpar-cli"]),
    ("clap_complete", &["rpar-cli"]),
    ("clap_mangen", &["rpar-cli"]),
    ("figment", &["rpar-cli"]),
    ("indicatif", &["rpar-cli"]),
    ("minijinja", &["rpar-cli"]),
    ("toml", &["rpar-cli", "rpar-runtime"]),
    ("hmac", &["rpar-core"]),
    ("pyo3", &["rpar-python"]),
    ("rustls", &["rpar-transports", "rpar-benches"]),
    ("tokio-rustls", &["rpar-transports", "rpar-benches"]),
    ("mockall", &["rpar-core", "rpar-tests"]),
];

/// An example is what a third party would write: it builds on what is public, and never on tests.
const EXAMPLES: [&str; 4] = ["rpar-core", "rpar-backends", "rpar-cli", "rpar-testkit"];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata")
}

#[test]
fn crates_depend_only_where_they_may() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let may = match allowed.get(name) {
            Some(may) => may,
            None if name.starts_with("rpar-example-") => EXAMPLES.as_slice(),
            None => panic!("{name} is not in the list of edges"),
        };
        for dependency in package.dependencies.iter().filter(|other| other.name.starts_with("rpar-")) {
            assert!(may.contains(&dependency.name.as_str()), "{name} must not depend on {}", dependency.name);
        }
    }
    let names: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for (name, _) in EDGES {
        assert!(names.contains(name), "{name} is in the list of edges but not in the workspace");
    }
}

#[test]
fn packages_of_others_stay_in_their_room() {
    for package in &metadata().packages {
        for dependency in package.dependencies.iter().filter(|other| other.kind == DependencyKind::Normal) {
            let rooms = HOMES.iter().find(|(name, _)| *name == dependency.name);
            if let Some((name, rooms)) = rooms {
                assert!(rooms.contains(&package.name.as_str()), "{} must not use {name}", package.name);
            }
        }
    }
}

#[test]
fn nothing_public_is_made_of_clap() {
    for (name, text) in files(&[".rs"]).iter().filter(|(name, _)| name.starts_with("cli/src/")) {
        let within = name.starts_with("cli/src/command/");
        assert!(within || !text.contains("clap"), "{name} mentions clap: it belongs to the command");
    }
}

#[test]
fn core_reaches_no_clock_file_socket_or_chance() {
    const FORBIDDEN: [&str; 14] = [
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::os",
        "std::process",
        "std::thread",
        "Mutex",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "getrandom",
        "rustix",
    ];
    for (name, text) in files(&[".rs"]).iter().filter(|(name, _)| name.starts_with("core/src")) {
        for word in FORBIDDEN {
            assert!(!text.contains(word), "{name} mentions {word}: core's machines are pure");
        }
        // a stream is what a transport gives; to wait, to spawn or to dial is the shells' part
        for used in text.split("tokio::").skip(1) {
            assert!(
                used.starts_with("io::{AsyncRead, AsyncWrite}"),
                "{name} uses more of tokio than its streams"
            );
        }
    }
}
