//! `rpar` as it is typed, without any cluster: help, profiles, dry runs, and what it says of mistakes.

use std::process::Output;

use rpar_tests::binary::Home;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rpar writes UTF-8")
}

/// A site's profile with a parameter of each kind.
const EXAMPLE: &str = r#"
extends = "torque"
[params.ppn]
type = "int"
range = [1, 8]
default = 8
help = "engines per node"
[params.queue]
type = "choice"
choices = ["regular", "debug"]
default = "regular"
help = "queue"
[params.scratch_gb]
type = "float"
help = "local disk a node"
[params.exclusive]
type = "bool"
default = false
help = "nobody else on the nodes"
"#;

fn help(words: &str) -> String {
    let home = Home::new();
    home.profile("example", EXAMPLE);
    let words: Vec<&str> = words.split_whitespace().collect();
    let output = home.run(&words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "help is an answer");
    text(&output.stdout)
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", help("--help"));
    insta::assert_snapshot!("help_start", help("--profile example start --help"));
    insta::assert_snapshot!("help_engines_add", help("--profile example engines add --help"));
    insta::assert_snapshot!("help_map", help("map --help"));
    for command in [
        "stop",
        "status",
        "list",
        "run",
        "logs",
        "profile",
        "profile list",
        "profile show",
        "profile path",
        "profile create",
        "profile edit",
        "profile check",
        "completions",
        "engines",
        "engines list",
        "engines remove",
        "clean",
        "man",
    ] {
        insta::assert_snapshot!(
            format!("help_{}", command.replace(' ', "_")),
            help(&format!("{command} -h"))
        );
    }
}

#[test]
fn help_fits_a_terminal() {
    for words in ["--help", "map --help", "--profile carver start --help", "run --help"] {
        for line in help(words).lines() {
            assert!(line.chars().count() <= 100, "{words}: {line}");
        }
    }
}

/// What a mistake leads to: exit status, and what stderr says.
fn mistake(home: &Home, words: &[&str]) -> (i32, String) {
    let output = home.run(words);
    assert!(output.stdout.is_empty(), "{words:?}: errors are no answers");
    (output.status.code().expect("an exit status"), text(&output.stderr))
}

#[test]
fn mistakes_are_explained() {
    let home = Home::new();
    home.profile("typo", "[scheduler]\nkind = \"slrum\"\n");
    home.profile("key", "[engines]\nppm = 3\n");
    let cases: [(&[&str], i32, &[&str]); 21] = [
        (&[], 2, &["Usage: rpar"]),
        (&["strat"], 2, &["strat", "start"]),
        (&["--profile", "carvr", "start"], 110, &["error: unknown profile `carvr`", "`carver`", "hint: "]),
        (&["--profile", "carver", "start", "--ppn", "9"], 2, &["--ppn", "from 1 to 8"]),
        (&["--profile", "carver", "start", "--queue", "fast"], 2, &["regular, debug, interactive"]),
        (&["--profile", "typo", "start"], 110, &["slrum", "slurm", "typo.toml"]),
        (&["--profile", "key", "start"], 110, &["ppm", "ppn", "key.toml:2"]),
        (&["--cluster-id", "../up", "status"], 110, &["../up", "letters"]),
        (&["status"], 111, &["local/default does not run", "hint: `rpar start`"]),
        (&["--profile", "slurm", "status"], 111, &["hint: `rpar --profile slurm start`"]),
        (&["logs"], 111, &["does not run"]),
        (&["--profile", "slurm", "map", "echo {}", ":::", "1"], 111, &["--start", "1 node"]),
        (&["map", "echo $(( {} + 1 ))", ":::", "1"], 2, &["arithmetic brackets", "hint: "]),
        (&["map", "--taag", "echo {}", ":::", "1"], 2, &["--taag", "--tag"]),
        (&["map", "--halt", "now", "echo {}", ":::", "1"], 2, &["never", "now,fail=1"]),
        (&["map", "--colsep", "(", "echo {}", ":::", "1"], 2, &["--colsep", "unclosed group"]),
        (&["map", "echo {2}", ":::", "1"], 2, &["asks for {2}", "hint: "]),
        (&["map", "--resume", "echo {}", ":::", "1"], 2, &["--joblog", "hint: "]),
        (&["map", "echo it's {}", ":::", "1"], 2, &["single quote", "never closes", "hint: "]),
        (&["map", ":::", "1"], 2, &["no command"]),
        (&["map", "--env", "NO_SUCH", "echo {}", ":::", "1"], 2, &["NO_SUCH", "NO_SUCH=VALUE"]),
    ];
    for (words, code, expected) in cases {
        let (exit, said) = mistake(&home, words);
        assert_eq!(exit, code, "{words:?}: {said}");
        for part in expected {
            assert!(said.contains(part), "{words:?} does not say `{part}`: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
    assert!(!home.state().join("local/default").exists(), "a mistake starts nothing");
}

#[test]
fn a_dry_run_shows_the_script_and_submits_nothing() {
    let home = Home::new();
    let output = home.run(&["--profile", "carver", "start", "--nodes", "2", "--ppn", "8", "--dry-run"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.starts_with("$ qsub "), "{shown}");
    for part in ["#PBS -l nodes=2:ppn=8\n", "#PBS -q regular\n", " pilot --directory "] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!home.state().exists());
    let output = home.run(&["--json", "--profile", "carver", "start", "-n", "12", "--dry-run"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["argv"][0], "qsub");
    assert!(document["script"].as_str().expect("a text").contains("nodes=2:ppn=8"));
}

#[test]
fn a_profiles_own_parameter_becomes_a_flag() {
    let home = Home::new();
    home.profile(
        "mine",
        "extends = \"torque\"\n[params.memory_gb]\ntype = \"int\"\nrange = [1, 64]\ndefault = 4\n\
         help = \"memory a node\"\n[scheduler]\nsetup = [\"echo {{ memory_gb }} GB\"]\n",
    );
    let help = text(&home.run(&["start", "--profile=mine", "--help"]).stdout);
    let line = help.lines().find(|line| line.contains("memory a node")).expect("the parameter's help");
    assert!(line.contains("from 1 to 64") && line.contains("[default: 4]"), "{line}");
    assert!(help.contains("--memory-gb"));
    let script = text(&home.run(&["--profile", "mine", "start", "--memory-gb", "16", "--dry-run"]).stdout);
    assert!(script.contains("echo 16 GB"), "{script}");
}

#[test]
fn answers_are_json_when_asked_for() {
    let home = Home::new();
    for words in
        [&["list", "--json"][..], &["--json", "profile", "list"], &["profile", "show", "carver", "--json"]]
    {
        let output = home.run(words);
        let document: Result<serde_json::Value, _> = serde_json::from_slice(&output.stdout);
        assert!(document.is_ok(), "{words:?}: {}", text(&output.stdout));
    }
}

#[test]
fn profiles_say_where_each_value_comes_from() {
    let home = Home::new();
    home.profile("carver", "[params.ppn]\ndefault = 4\n");
    let shown = text(&home.run(&["profile", "show", "carver", "--origins"]).stdout);
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    assert!(line("params.ppn.default").contains(".config/rpar/profiles/carver.toml:2"), "{shown}");
    assert!(line("scheduler.kind").contains("shipped profile"), "{shown}");
    assert!(line("controller.heartbeat").contains("built-in default"), "{shown}");
    let list = text(&home.run(&["profile", "list"]).stdout);
    assert!(list.lines().any(|line| line.starts_with("carver") && line.contains("carver.toml")), "{list}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let home = Home::new();
    let colored = |output: Output| text(&output.stderr).contains('\x1b');
    assert!(!colored(home.run(&["status"])));
    assert!(colored(home.run(&["--color", "always", "status"])));
    assert!(!colored(home.run(&["--color", "never", "status"])));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // before it starts: it would be quicker than us
    drop(reader);
    let output =
        home.command().args(["profile", "show", "carver"]).stdout(writer).output().expect("rpar starts");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()));
}
