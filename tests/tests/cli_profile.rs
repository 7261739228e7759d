//! `rpar profile path`, `create` and `edit`: what a site admin begins with.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rpar_tests::binary::{Home, rpar};
use rpar_tests::services;

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join(format!(".config/rpar/profiles/{name}.toml"))
}

fn read(home: &Home, name: &str) -> String {
    std::fs::read_to_string(file(home, name)).expect("the profile is there")
}

/// Runs `rpar` at the Slurm test bed.
fn at_slurm(home: &Home, words: &[&str]) -> Output {
    let output =
        home.command().args(words).envs(services::slurm().environment).output().expect("rpar starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn a_new_profile_holds_what_the_site_tells() {
    let home = Home::new();
    let told = at_slurm(&home, &["profile", "create", "ours"]).stderr;
    let told = String::from_utf8(told).expect("UTF-8");
    for found in ["found sbatch", "found queues batch, regular, debug", "found nodes of 8 cores"] {
        assert!(told.contains(found), "{told}");
    }
    let text = read(&home, "ours");
    for line in [
        "extends = \"slurm\" ",
        // further ones are other tests'
        "choices = [\"batch\", \"regular\", \"debug\"",
        "default = \"batch\"",
        "range = [1, 8]",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let started = at_slurm(&home, &["--profile", "ours", "start", "--dry-run", "--queue", "debug"]).stdout;
    let script = String::from_utf8(started).expect("UTF-8");
    assert!(
        script.contains("#SBATCH --ntasks-per-node=8\n") && script.contains("--partition=debug"),
        "{script}"
    );

    at_slurm(&home, &["profile", "create", "theirs", "--from", "torque", "--quiet"]);
    let text = read(&home, "theirs");
    assert!(text.contains("extends = \"torque\" ") && text.contains("\"regular\""), "{text}");
}

#[test]
fn no_file_is_replaced_unasked() {
    let home = Home::new();
    home.profile("ours", "extends = \"local\"\n");
    let (exit, _, err) = home.said(&["profile", "create", "ours", "--from", "local"]);
    assert!(exit == Some(117) && err.contains("--force"), "{err}");
    assert_eq!(read(&home, "ours"), "extends = \"local\"\n");
    let answer = home.json(&["profile", "create", "ours", "--from", "local", "--force"]);
    assert_eq!((&answer["from"], answer["file"].as_str()), (&"local".into(), file(&home, "ours").to_str()));
    assert!(read(&home, "ours").contains("description = "));
    let (exit, _, err) = home.said(&["profile", "create", "new", "--from", "lokal"]);
    assert!(exit == Some(110) && err.contains("did you mean `local`?"), "{err}");
    assert!(!file(&home, "new").exists());
}

#[test]
fn every_file_of_a_profile_is_listed_lowest_first() {
    let home = Home::new();
    home.profile("ours", "extends = \"carver\"\n");
    let project = home.work().join(".rpar/profiles");
    std::fs::create_dir_all(&project).expect("a directory");
    std::fs::write(project.join("ours.toml"), "[params]\nppn = 4\n").expect("a profile");
    let answer = home.json(&["profile", "path", "ours"]);
    let layers = answer["layers"].as_array().expect("a list").iter();
    let layers: Vec<String> =
        layers.map(|layer| format!("{} {}", layer["profile"], layer["layer"]).replace('"', "")).collect();
    assert_eq!(layers, ["torque shipped", "carver shipped", "ours user", "ours project"]);
    let (_, out, err) = home.said(&["profile", "path", "carver"]);
    assert!(out.lines().nth(1).is_some_and(|line| line.contains("(comes with rpar)")), "{out}");
    assert!(err.contains(&*file(&home, "carver").to_string_lossy()), "{err}");
}

#[test]
fn an_edited_profile_counts_when_it_is_right() {
    let home = Home::new();
    home.profile("ours", "extends = \"local\"\n[params.ppn]\ndefault = 3\n");
    let edit = |editor: &str| {
        let mut command = home.command();
        command.args(["profile", "edit", "ours"]).env("VISUAL", "").env("EDITOR", editor);
        let output = command.output().expect("rpar starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (exit, err) = edit("sed -i 's/default = 3/default = 4/'");
    assert!(exit == Some(0) && err.contains("is written"), "{err}");
    let right = read(&home, "ours");
    assert!(right.contains("default = 4"), "{right}");
    let (exit, err) = edit("sed -i s/default/defualt/");
    assert_eq!(exit, Some(110));
    assert!(err.contains(&format!("{}:3: unknown key", file(&home, "ours").display())), "{err}");
    let (exit, err) = edit("false");
    assert!(exit == Some(117) && err.contains("$EDITOR"), "{err}");
    let (exit, err) = edit("true");
    assert!(exit == Some(0) && err.contains("nothing is changed"), "{err}");
    assert_eq!(read(&home, "ours"), right);
}

/// The only draft beside the profile `ours`, which it removes.
fn draft(home: &Home) -> String {
    let path = file(home, "ours");
    let beside = std::fs::read_dir(path.parent().expect("a directory")).expect("it is there").flatten();
    let drafts: Vec<_> =
        beside.filter(|entry| entry.file_name().to_string_lossy().starts_with("ours.toml.draft-")).collect();
    assert_eq!(drafts.len(), 1, "{drafts:?}");
    let text = std::fs::read_to_string(drafts[0].path()).expect("a draft");
    std::fs::remove_file(drafts[0].path()).expect("it is removed");
    text
}

#[test]
fn what_was_written_is_kept_whatever_fails() {
    let home = Home::new();
    home.profile("ours", "extends = \"local\"\n[params.ppn]\ndefault = 3\n");
    let theirs = "extends = \"local\"\n[params.ppn]\ndefault = 5\n";
    let path = file(&home, "ours");
    let other = home.path().join("theirs");
    std::fs::write(&other, theirs).expect("a file");
    let changes = "sed -i 's/default = ./default = 9/'";
    let editors = [
        (format!("{changes} \"$1\"; false"), 117, "exit status: 1"),
        (format!("{changes} \"$1\"; kill -KILL $$"), 117, "exit status: 137"),
        ("sed -i 's/default = ./default = 9 9/' \"$1\"".to_owned(), 110, "is left as it was"),
        (
            format!("{changes} \"$1\"; cp {} {}", other.display(), path.display()),
            117,
            "was changed by somebody else meanwhile",
        ),
    ];
    for (editor, exit, told) in editors {
        let script = home.path().join("editor");
        std::fs::write(&script, editor).expect("a file");
        let mut command = home.command();
        command.args(["profile", "edit", "ours"]).env("VISUAL", format!("sh {}", script.display()));
        let output = command.output().expect("rpar starts");
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(exit), "{err}");
        assert!(err.contains(told) && err.contains("what you wrote is kept in "), "{err}");
        assert!(err.contains("/ours.toml.draft-"), "{err}");
        assert!(draft(&home).contains("default = 9"));
        assert!(!read(&home, "ours").contains("default = 9"));
    }
    assert_eq!(read(&home, "ours"), theirs, "the other's change is there");
}

/// Runs `rpar profile edit` on a terminal, with this typed, and an editor that breaks what is right and mends what is broken.
fn edit_on_a_terminal(home: &Home, typed: &str) -> String {
    let editor = home.path().join("editor");
    let text = "grep -q default \"$1\" && sed -i s/default/defualt/ \"$1\" || sed -i 's/defualt = .*/default = 7/' \"$1\"";
    std::fs::write(&editor, text).expect("a file");
    let line = format!("{} profile edit ours", rpar().display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env_clear().current_dir(home.work());
    let plain = home.command();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("EDITOR", format!("sh {}", editor.display())).env("TERM", "dumb");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn on_a_terminal_the_user_says_what_becomes_of_a_mistake() {
    let begun = "extends = \"local\"\n[params.ppn]\ndefault = 3\n";
    let cases = [
        ("d\n", "default = 3", "nothing is changed"),
        ("k\n", "defualt = 3", "is written"),
        ("e\n", "default = 7", "is written"),
    ];
    for (typed, text, said) in cases {
        let home = Home::new();
        home.profile("ours", begun);
        let shown = edit_on_a_terminal(&home, typed);
        assert!(shown.contains("ours.toml:3: unknown key") && shown.contains(said), "{typed}{shown}");
        assert!(read(&home, "ours").contains(text), "{typed}{shown}");
    }
    // Ctrl-D is no wish to lose it
    let home = Home::new();
    home.profile("ours", begun);
    let shown = edit_on_a_terminal(&home, "\u{4}");
    assert!(shown.contains("is left as it was") && shown.contains("is kept in"), "{shown}");
    assert!(draft(&home).contains("defualt = 3") && read(&home, "ours") == begun);
}
