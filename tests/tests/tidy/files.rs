//! Files: short, and none forgotten.

use std::path::Path;

use crate::files;

/// Longer files hide more than one concept. A file's own tests do not count.
const FILE_LINES_LIMIT: usize = 400;

/// A file of tests is a list of cases, which one reads one at a time.
const TEST_LINES_LIMIT: usize = 500;

#[test]
fn files_are_short() {
    for (name, text) in files(&[".rs", ".py"]) {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let test =
            name.starts_with("tests/tests/") || name.contains("/tests/") || name.ends_with("/tests.rs");
        let limit = if test { TEST_LINES_LIMIT } else { FILE_LINES_LIMIT };
        assert!(lines <= limit, "{name} has {lines} lines, more than {limit}: split it by concept");
    }
}

#[test]
fn no_source_is_forgotten() {
    let sources = files(&[".rs"]);
    for (name, _) in &sources {
        let path = Path::new(name);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let folder = path.parent().expect("a folder");
        // what cargo finds by itself
        let root = ["lib", "main", "build"].contains(&stem)
            || ["tests", "benches"]
                .iter()
                .any(|auto| folder.ends_with(auto) && !folder.ends_with("src/tests"))
                && !folder.components().any(|part| part.as_os_str() == "src");
        if root {
            continue;
        }
        let (module, home) = if stem == "mod" {
            (folder.file_name().and_then(|n| n.to_str()), folder.parent())
        } else {
            (Some(stem), Some(folder))
        };
        let (module, home) = (module.expect("a module"), home.expect("a folder"));
        let parents =
            [home.join("mod.rs"), home.join("lib.rs"), home.join("main.rs"), home.with_extension("rs")];
        let declared = sources
            .iter()
            .filter(|(other, _)| parents.iter().any(|parent| parent == Path::new(other)))
            .any(|(_, text)| text.lines().any(|line| declares(line, module)));
        assert!(declared, "no file declares `mod {module}`: {name} is never compiled");
    }
}

fn declares(line: &str, module: &str) -> bool {
    line.trim()
        .strip_suffix(';')
        .and_then(|line| line.rsplit_once("mod "))
        .is_some_and(|(_, name)| name == module)
}

#[test]
fn no_python_test_is_forgotten() {
    for (name, text) in files(&[".py"]).iter().filter(|(name, _)| name.starts_with("python/tests/")) {
        let file = name.rsplit('/').next().expect("a name");
        let collected = file.starts_with("test_") && text.contains("\ndef test_");
        assert!(collected || file == "conftest.py", "pytest collects nothing from {name}");
    }
}

#[test]
fn no_snapshot_is_forgotten() {
    let names: Vec<String> = files(&[".rs", ".snap"]).into_iter().map(|(name, _)| name).collect();
    for name in names.iter().filter(|name| name.contains("/snapshots/")) {
        let (folder, file) = name.split_once("/snapshots/").expect("a folder of snapshots");
        let test = file.split("__").next().expect("a test's name");
        assert!(names.contains(&format!("{folder}/{test}.rs")), "{name} belongs to no test file");
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
