//! The rules that keep the house in order, as tests: edges between crates, length of files, words, forgotten files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longer files hide more than one concept.
const FILE_LINES_LIMIT: usize = 500;

/// Who may depend on whom, by crate.
const EDGES: [(&str, &[&str]); 9] = [
    ("rpar-core", &[]),
    ("rpar-runtime", &["rpar-core"]),
    ("rpar-backends", &["rpar-core"]),
    ("rpar-transports", &["rpar-core"]),
    ("rpar-testkit", &["rpar-core"]),
    ("rpar-cli", &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports"]),
    ("rpar-python", &["rpar-cli"]),
    ("rpar-benches", &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports"]),
    (
        "rpar-tests",
        &["rpar-core", "rpar-runtime", "rpar-backends", "rpar-transports", "rpar-cli", "rpar-testkit"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}

/// What git tracks or would track, with these endings.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    let mut found: Vec<_> = names
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no file ends with {endings:?}");
    found
}

#[test]
fn crates_depend_only_where_they_may() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    for package in &metadata.packages {
        let Some(may) = allowed.get(package.name.as_str()) else {
            assert!(
                package.name.starts_with("rpar-example-"),
                "{} is not in the list of edges",
                package.name
            );
            continue;
        };
        for dependency in
            package.dependencies.iter().filter(|dependency| dependency.name.starts_with("rpar-"))
        {
            assert!(
                may.contains(&dependency.name.as_str()),
                "{} must not depend on {}",
                package.name,
                dependency.name
            );
        }
    }
    let names: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for (name, _) in EDGES {
        assert!(names.contains(name), "{name} is in the list of edges but not in the workspace");
    }
}

#[test]
fn core_reaches_no_clock_file_socket_or_chance() {
    const FORBIDDEN: [&str; 9] = [
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime",
        "HashMap",
        "HashSet",
        "getrandom",
    ];
    for (name, text) in files(&[".rs"]).iter().filter(|(name, _)| name.starts_with("core/src")) {
        for word in FORBIDDEN {
            assert!(!text.contains(word), "{name} mentions {word}: core's machines are pure");
        }
    }
}

#[test]
fn files_are_short() {
    for (name, text) in files(&[".rs", ".py"]) {
        let lines = text.lines().count();
        assert!(
            lines <= FILE_LINES_LIMIT,
            "{name} has {lines} lines, more than {FILE_LINES_LIMIT}: split it by concept"
        );
    }
}

#[test]
fn words_are_those_of_the_glossary() {
    // spelled in two parts, so that this file passes its own test
    let banned =
        ["work\u{65}r", "hu\u{62}", "mast\u{65}r", "slav\u{65}", "handl\u{65}r", "util\u{73}", "help\u{65}r"];
    for (name, text) in files(&[".rs", ".py", ".toml", ".md"]) {
        for (number, line) in text.lines().enumerate() {
            // names of other projects keep their spelling
            let line = line.to_lowercase().replace("github", "");
            let words = line.split(|c: char| !c.is_ascii_alphabetic());
            for word in words {
                let bad =
                    banned.iter().any(|banned| word == *banned || word.strip_suffix('s') == Some(banned));
                assert!(!bad, "{name}:{}: `{word}` is not a word of the glossary", number + 1);
            }
        }
    }
}

#[test]
fn no_machine_shows() {
    let (work, registry) = (["main", "shared"].map(|place| format!("/{}/{place}", "work")), format!("index.{}", "crates.io"));
    for (name, text) in files(&[".rs", ".py", ".toml", ".md", "run", ".sh"]) {
        assert!(!work.iter().any(|place| text.contains(place)), "{name} names a directory of somebody's machine");
        assert!(!text.contains(&registry), "{name} names a registry's host");
    }
}

#[test]
fn no_fixture_and_no_profile_is_forgotten() {
    let sources: String = files(&[".rs", ".py"]).into_iter().map(|(_, text)| text).collect();
    let listed = files(&[""]);
    let data = listed.iter().filter(|(name, _)| {
        name.starts_with("tests/fixtures/")
            || name.starts_with("cli/profiles/")
            || name.contains("/fixtures/")
    });
    for (name, _) in data {
        let path = Path::new(name);
        let file = path.file_name().and_then(|file| file.to_str()).expect("a file has a name");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("and a stem");
        let folder =
            path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str()).expect("a folder");
        let used = sources.contains(file) || sources.contains(&format!("\"{stem}\""));
        let whole_folder =
            sources.contains(&format!("fixtures/{folder}")) || sources.contains(&format!("{folder}/*"));
        assert!(used || whole_folder, "{name} is used by no test");
    }
}
