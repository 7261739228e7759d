//! What each command answers with `--json`: the documents are pinned here, and `docs/json.md` shows them as they are.

use std::collections::BTreeMap;

use rpar_tests::binary::{Home, until};
use serde_json::Value;

const DOCUMENTATION: &str = include_str!("../../docs/json.md");

/// What differs between two runs, by key.
const VARYING: [(&str, &str); 22] = [
    ("pid", "PID"),
    ("host", "HOST"),
    ("node", "NODE"),
    ("node_names", "NODES"),
    ("allocation", "ALLOCATION"),
    ("allocations", "ALLOCATIONS"),
    ("version", "VERSION"),
    ("up_seconds", "SECONDS"),
    ("opened", "TIME"),
    ("submitted", "TIME"),
    ("started", "TIME"),
    ("ended", "TIME"),
    ("seconds", "SECONDS"),
    ("serial_seconds", "SECONDS"),
    ("wall_seconds", "SECONDS"),
    ("speedup", "QUOTIENT"),
    ("engine", "ENGINE"),
    ("done", "COUNT"),
    ("kept_bytes", "BYTES"),
    ("cpus", "COUNT"),
    ("gpus", "COUNT"),
    ("memory_bytes", "BYTES"),
];

/// The document without what differs between two runs.
fn redacted(home: &Home, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let one = |(key, value): (&String, &Value)| {
                let varying = VARYING.iter().find(|(name, _)| name == key);
                // the allocations of a status are documents of their own
                let nested = value.is_object()
                    || value.as_array().is_some_and(|list| list.iter().any(Value::is_object));
                let value = match varying {
                    Some((_, stands)) if !nested && !value.is_null() => Value::from(format!("[{stands}]")),
                    _ => redacted(home, value),
                };
                (key.clone(), value)
            };
            map.iter().map(one).collect()
        }
        Value::Array(list) => list.iter().map(|value| redacted(home, value)).collect(),
        Value::String(text) => text.replace(&*home.path().to_string_lossy(), "[HOME]").into(),
        other => other.clone(),
    }
}

/// The documents that a command answers: one, or one a line.
fn answer(home: &Home, words: &[&str]) -> Vec<Value> {
    let (_, out, err) = home.said(&[&["--json"], words].concat());
    let documents = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
    let documents: Vec<Value> =
        documents.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{words:?}: {e}: {out}"));
    assert!(!documents.is_empty(), "{words:?} answers nothing: {err}");
    assert!(documents.iter().all(|document| document["schema"] == 1), "{words:?}: {out}");
    documents
}

/// The examples of `docs/json.md`, by the heading's command.
fn examples() -> BTreeMap<&'static str, Vec<Value>> {
    let sections = DOCUMENTATION.split("\n### `rpar ").skip(1);
    let examples = sections.map(|section| {
        let (command, rest) = section.split_once('`').expect("a command in backticks");
        let (_, block) = rest.split_once("```json\n").unwrap_or_else(|| panic!("{command} has no example"));
        let (block, _) = block.split_once("```").expect("the block ends");
        let documents = serde_json::Deserializer::from_str(block).into_iter::<Value>();
        let read = documents.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{command}: {error}"));
        (command, read)
    });
    examples.collect()
}

/// Where two documents differ in their keys and the types of their values; what is null in one of them may be anything.
fn difference(path: &str, ours: &Value, documented: &Value) -> Option<String> {
    match (ours, documented) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            if keys(ours) != keys(theirs) {
                return Some(format!("{path} has {:?}, and docs/json.md {:?}", keys(ours), keys(theirs)));
            }
            ours.iter().find_map(|(key, value)| difference(&format!("{path}.{key}"), value, &theirs[key]))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            let pairs = ours.iter().zip(theirs.iter().cycle());
            pairs.into_iter().find_map(|(ours, theirs)| difference(&format!("{path}[]"), ours, theirs))
        }
        _ => {
            let kinds = (std::mem::discriminant(ours), std::mem::discriminant(documented));
            (kinds.0 != kinds.1).then(|| format!("{path} is {ours}, and in docs/json.md {documented}"))
        }
    }
}

/// What a command answers, which is as the documentation's example for `documented`.
fn as_documented(home: &Home, documented: &str, words: &[&str]) -> Vec<Value> {
    let documents = answer(home, words);
    let examples = examples();
    let example =
        examples.get(documented).unwrap_or_else(|| panic!("docs/json.md has no `rpar {documented}`"));
    for document in &documents {
        let differences = example.iter().map(|example| difference(documented, document, example));
        if let Some(differences) = differences.collect::<Option<Vec<String>>>() {
            panic!("{}", differences.join("\n"));
        }
    }
    documents
}

/// The same, and pins it.
fn pin(home: &Home, name: &str, documented: &str, words: &[&str]) {
    let documents = as_documented(home, documented, words);
    let shown: Vec<String> =
        documents.iter().map(|document| format!("{:#}", redacted(home, document))).collect();
    insta::assert_snapshot!(name, shown.join("\n"));
}

#[test]
fn without_a_cluster() {
    let home = Home::new();
    home.profile("mine", "description = \"ours\"\n[scheduler]\nkind = \"torque\"\n");
    pin(&home, "list_empty", "list", &["list"]);
    pin(&home, "clean", "clean", &["clean", "--dry-run"]);
    pin(&home, "stop_none", "stop", &["stop"]);
    pin(&home, "profile_list", "profile list", &["profile", "list"]);
    as_documented(&home, "start --dry-run", &["--profile", "mine", "start", "--nodes", "2", "--dry-run"]);
    pin(&home, "map_dry_run", "map --dry-run", &["map", "--dry-run", "echo {}", ":::", "a b"]);
    as_documented(&home, "completions", &["completions", "bash"]);
    as_documented(&home, "man", &["man"]);
    let values = answer(&home, &["profile", "show", "local"]).remove(0)["values"].take();
    let documented = examples()["profile show"][0]["values"]["scheduler.kind"].clone();
    assert_eq!(difference("profile show", &values["scheduler.kind"], &documented), None);
    as_documented(&home, "profile path", &["profile", "path", "mine"]);
    as_documented(&home, "man --directory", &["man", "--directory", "pages"]);
}

#[test]
fn of_a_cluster_and_its_engines() {
    let home = Home::new();
    pin(&home, "start", "start", &["start", "--nodes", "1", "--ppn", "2"]);
    pin(&home, "list", "list", &["list"]);
    pin(&home, "engines_list", "engines list", &["engines", "list"]);
    pin(&home, "engines_add", "engines add", &["engines", "add", "-n", "1"]);
    pin(&home, "engines_remove", "engines remove", &["engines", "remove", "2"]);
    pin(&home, "map", "map", &["map", "echo out {}; echo err >&2; exit {}", ":::", "0", "7"]);
    pin(&home, "run", "run", &["run", "sh", "-c", "kill -9 $$"]);
    as_documented(&home, "logs", &["logs", "controller"]);
    pin(&home, "stop", "stop", &["stop"]);
}

#[test]
fn of_work_that_outlives_its_client() {
    let home = Home::new();
    assert_eq!(home.said(&["start", "-n", "1"]).0, Some(0));
    pin(&home, "submit", "submit", &["submit", "--name", "two", "echo {}; exit {}", ":::", "0", "3"]);
    pin(&home, "wait", "wait", &["wait", "1"]);
    pin(&home, "tasks", "tasks", &["tasks"]);
    pin(&home, "tasks_of_one", "tasks SUBMISSION", &["tasks", "1"]);
    pin(&home, "results", "results", &["results", "1"]);
    assert_eq!(home.said(&["submit", "sleep 600", ":::", "1"]).0, Some(0));
    until("it runs", || home.json(&["status"])["tasks"]["assigned"] == 1);
    pin(&home, "status", "status", &["status"]);
    assert_eq!(home.said(&["submit", "true", ":::", "1"]).0, Some(0));
    as_documented(&home, "why", &["why", "3.1"]);
    pin(&home, "cancel", "cancel", &["cancel", "2"]);
}

#[test]
fn every_example_is_read() {
    let examples = examples();
    assert!(examples.len() >= 20, "{:?}", examples.keys());
    for (command, documents) in examples {
        assert!(documents.iter().all(|document| document["schema"] == 1), "{command} without a version");
    }
}
