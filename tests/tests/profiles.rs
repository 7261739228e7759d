//! Profiles: what good ones become, and what bad ones are told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rpar::profile::{Profiles, Resolved, Surroundings};
use rpar::{Registry, Site};

mod profiles {
    mod connecting;
    mod layers;
    mod paths;
    mod registry;
    mod scripts;
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/profiles").join(folder)
}

/// Surroundings that are the same on every machine, with the fixtures as the site's profiles.
fn surroundings(folder: &str) -> Surroundings {
    Surroundings {
        variables: BTreeMap::new(),
        home: PathBuf::from("/home/ann"),
        user: "ann".to_owned(),
        directory: PathBuf::from("/nowhere"),
        system_profiles: fixtures(folder),
        programs: None,
        cores: 6,
    }
}

/// The names of a folder's profiles.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(fixtures(folder)).expect("the fixtures are there");
    let files = entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".toml")?.to_owned())).collect();
    names.sort();
    names
}

/// What a fixture's first comments say of the user's flags, of the total of engines, and of the environment.
fn directive(text: &str, name: &str) -> BTreeMap<String, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {name}: ")));
    let pairs = line.into_iter().flat_map(|line| line.split(", ")).fold(Vec::new(), |mut pairs, part| {
        match part.split_once('=') {
            Some((key, value)) => pairs.push((key.to_owned(), value.replace("\\n", "\n"))),
            // a comma inside a value
            None => pairs.last_mut().expect("a key comes first").1.push_str(&format!(", {part}")),
        }
        pairs
    });
    pairs.into_iter().collect()
}

fn resolve(folder: &str, name: &str) -> Result<Resolved, String> {
    let text = fs::read_to_string(fixtures(folder).join(format!("{name}.toml"))).expect("readable");
    let total = text.lines().find_map(|line| line.strip_prefix("# total: "));
    let total = total.map(|total| total.parse().expect("a number"));
    let mut around = surroundings(folder);
    around.variables.extend(directive(&text, "environment"));
    let profile = Profiles::new(around).load(name).map_err(|error| error.to_string())?;
    let resolved = profile.resolve(&directive(&text, "flags"), total).map_err(|error| error.to_string())?;
    Site::new(&resolved, &Registry::builtin()).map_err(|error| error.to_string())?;
    Ok(resolved)
}

fn pin(folder: &str, name: &str, text: &str) {
    let folder_path = fixtures(folder);
    let text = text.replace(&*folder_path.to_string_lossy(), "SITE");
    insta::with_settings!({
        snapshot_path => folder_path, prepend_module_to_snapshot => false, omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

/// Every `tests/fixtures/profiles/bad/*.toml` is refused, with the whole message beside it.
#[test]
fn bad_profiles_are_told_what_is_wrong_and_what_would_be_right() {
    for name in names("bad") {
        let told = resolve("bad", &name).map(|_| ()).expect_err(&name);
        assert!(!told.contains('\n'), "{name}: {told}");
        pin("bad", &name, &told);
    }
}

/// Every `tests/fixtures/profiles/good/*.toml` becomes what is pinned beside it, and reads back as the same.
#[test]
fn good_profiles_become_what_is_pinned() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in names("good") {
        let resolved = resolve("good", &name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = resolved.to_toml().expect("a resolved profile is TOML");
        pin("good", &name, &text);
        let file = directory.path().join(Resolved::FILE);
        fs::write(&file, &text).expect("written");
        let read = Resolved::read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.to_toml().expect("TOML"), text, "{name}");
        Site::new(&read, &Registry::builtin()).expect("what was read back makes a site");
    }
}

#[test]
fn every_shipped_profile_resolves_as_it_is() {
    let profiles = Profiles::new(surroundings("none"));
    assert_eq!(profiles.names(), ["carver", "hosts", "local", "openpbs", "slurm", "torque"]);
    for listed in profiles.list() {
        assert!(!listed.description.expect("it loads").is_empty(), "{} has no description", listed.name);
        let profile = profiles.load(&listed.name).expect("it loads");
        let resolved = profile.resolve(&BTreeMap::new(), None).expect("it resolves without any flag");
        Site::new(&resolved, &Registry::builtin()).expect("it makes a site");
        for param in profile.params() {
            assert!(!param.help.is_empty(), "{}: {} has no help", listed.name, param.name);
        }
    }
}
