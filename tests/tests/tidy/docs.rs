//! Documents name what is there, all of it, and nothing else.

use std::path::Path;

use crate::{files, root};

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("the document can be read")
}

/// The texts between a pair of `open` and `close`.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(inside, _)| inside).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (name, text) in files(&[".md"]) {
        let folder = root().join(Path::new(&name).parent().expect("a folder"));
        for link in between(&text, "](", ")").into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().expect("a path");
            assert!(folder.join(file).exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_file_that_is_named_exists() {
    const ENDINGS: [&str; 4] = [".rs", ".py", ".sh", "/"];
    let rooms = [
        "core",
        "runtime",
        "backends",
        "transports",
        "cli",
        "python",
        "testkit",
        "tests",
        "docs",
        "examples",
        "benches",
    ];
    for (name, text) in files(&[".md"]) {
        for path in text.split('\n').flat_map(|line| {
            between(&format!("{line} "), "`", "`").into_iter().map(str::to_owned).collect::<Vec<_>>()
        }) {
            let ours = rooms.iter().any(|room| path.starts_with(&format!("{room}/")));
            if ours && ENDINGS.iter().any(|ending| path.ends_with(ending)) && !path.contains(['{', '*', ' '])
            {
                assert!(root().join(&path).exists(), "{name} names {path}, which is not there");
            }
        }
    }
}

#[test]
fn every_room_is_in_the_architecture() {
    let architecture = document("docs/architecture.md");
    let manifest = document("Cargo.toml");
    let members = between(&manifest, "members = [", "]").first().copied().expect("the members");
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        let room = member.split('/').next().expect("a folder");
        assert!(
            architecture.contains(&format!("| `{room}/` |")),
            "docs/architecture.md does not tell of {room}/"
        );
    }
}

#[test]
fn every_shipped_profile_is_documented() {
    let (profiles, changes) = (document("docs/profiles.md"), document("CHANGELOG.md"));
    let shipped = files(&[".toml"]).into_iter().filter_map(|(name, _)| {
        let name = name.strip_prefix("cli/profiles/")?.strip_suffix(".toml")?.to_owned();
        (!name.contains('/')).then_some(name)
    });
    for name in shipped {
        let named = format!("`{name}`");
        assert!(profiles.contains(&named), "docs/profiles.md does not name the profile {name}");
        assert!(changes.contains(&named), "CHANGELOG.md does not name the profile {name}");
    }
}

#[test]
fn every_backend_is_documented() {
    let (registry, profiles) = (document("cli/src/registry.rs"), document("docs/profiles.md"));
    for section in ["scheduler", "launcher", "transport"] {
        let row =
            profiles.lines().find(|line| line.starts_with(&format!("| `[{section}]` |"))).expect("a row");
        let kinds = between(&registry, &format!(".{section}(\""), "\"");
        assert!(!kinds.is_empty(), "the registry has no {section}");
        for kind in kinds {
            assert!(
                row.contains(&format!("`{kind}`")),
                "docs/profiles.md does not name the {section} {kind}"
            );
        }
    }
}

#[test]
fn every_message_is_in_the_protocol() {
    let (numbers, protocol) = (document("core/src/wire/kind.rs"), document("docs/protocol.md"));
    let (_, protocol) = protocol.split_once("## Messages").expect("a table of messages");
    let kinds = between(&numbers, "pub(super) const ", ";");
    assert!(!kinds.is_empty(), "no kind has a number");
    for kind in kinds {
        let (name, number) = kind.split_once(": u8 = ").expect("a kind");
        let row = protocol.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("docs/protocol.md does not tell of kind {number}"));
        assert!(
            row.to_uppercase().starts_with(&format!("| {number} | {name} |")),
            "kind {number} is {name}: {row}"
        );
    }
}
