//! Words of the glossary, and none that only this machine knows.

use crate::files;

#[test]
fn words_are_those_of_the_glossary() {
    // spelled in two parts, so that this file passes its own test
    let banned =
        ["work\u{65}r", "hu\u{62}", "mast\u{65}r", "slav\u{65}", "handl\u{65}r", "util\u{73}", "help\u{65}r"];
    for (name, text) in files(&[".rs", ".py", ".toml", ".md"]) {
        // what has IPython Parallel's names has also those of its controller
        let theirs = name.starts_with("python/") || name == "docs/from-ipyparallel.md";
        for (number, line) in text.lines().enumerate() {
            // names of other projects keep their spelling
            let line = line.to_lowercase().replace("github", "");
            let words = line.split(|c: char| !c.is_ascii_alphabetic());
            for word in words.filter(|word| !(theirs && *word == banned[1])) {
                let bad =
                    banned.iter().any(|banned| word == *banned || word.strip_suffix('s') == Some(banned));
                assert!(!bad, "{name}:{}: `{word}` is not a word of the glossary", number + 1);
            }
        }
    }
}

#[test]
fn no_machine_shows() {
    let (work, registry) =
        (["main", "shared"].map(|place| format!("/{}/{place}", "work")), format!("index.{}", "crates.io"));
    for (name, text) in files(&[".rs", ".py", ".toml", ".md", "run", ".sh"]) {
        assert!(
            !work.iter().any(|place| text.contains(place)),
            "{name} names a directory of somebody's machine"
        );
        assert!(!text.contains(&registry), "{name} names a registry's host");
    }
}
