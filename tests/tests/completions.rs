//! Completion as bash, zsh and fish ask for it, and the manual pages.

use std::process::{Command, Stdio};

use rpar_tests::binary::{Home, rpar};

/// A home with a site's profile, whose words are known.
fn home() -> Home {
    let home = Home::new();
    home.profile(
        "carver2",
        "extends = \"carver\"\n[params.reservation]\ntype = \"choice\"\nchoices = [\"day one\", \"night:1\"]\nhelp = \"which\"\n",
    );
    let other = home.state().join("local/second");
    std::fs::create_dir_all(&other).expect("a directory");
    std::fs::write(other.join("profile.toml"), "").expect("a cluster's profile");
    std::fs::create_dir(other.join("logs")).expect("a directory");
    for name in ["vm-1", "controller"] {
        std::fs::write(other.join("logs").join(format!("{name}.log")), "").expect("a log");
    }
    home
}

/// What a shell says that runs a script in which `rpar` is the built one.
fn shell(home: &Home, program: &str, script: &str) -> Vec<String> {
    let directory = rpar().parent().expect("a directory").to_owned();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").expect("a PATH"));
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home.path()).env("PATH", path).current_dir(home.work());
    // no file of the user's or the system's may change what it does
    match program {
        "bash" => command.args(["--norc", "--noprofile", "-c", script]),
        "zsh" => command.args(["-f", "-c", script]),
        _ => command.args(["--no-config", "-c", script]),
    };
    let output = command.stdin(Stdio::null()).output().expect("the shell is installed");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.is_empty(), "{program}: {script}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// What bash offers at the end of a line. `words` are what bash makes of it: it takes `--flag=value` apart.
fn bash(home: &Home, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let (line, last) = (quoted.join(" "), words.len() - 1);
    // bash passes nothing for the = itself
    let typed = if words[last] == "=" { "" } else { words[last] };
    let script = format!(
        "source <(rpar completions bash); compopt() {{ printf 'compopt %s %s\\n' $*; }}\n\
         COMP_WORDS=({line}) COMP_CWORD={last}; _rpar rpar {typed:?} before; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    shell(home, "bash", &script).into_iter().filter(|line| !line.is_empty()).collect()
}

/// What zsh would describe.
fn zsh(home: &Home, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let (line, current) = (quoted.join(" "), words.len());
    let script = format!(
        "compdef() {{ }}; _files() {{ print files; }}; _describe() {{ print -rl -- ${{(P)3}}; }}\n\
         source <(rpar completions zsh)\nwords=({line}) CURRENT={current}; _rpar || true"
    );
    shell(home, "zsh", &script)
}

fn fish(home: &Home, line: &str) -> Vec<String> {
    shell(home, "fish", &format!("rpar completions fish | source; complete --do-complete '{line}'"))
}

#[test]
fn bash_completes_commands_flags_and_what_a_profile_brings() {
    let home = home();
    let cases: [(&[&str], &[&str]); 17] = [
        (&["rpar", "logs", "--cluster-id", "second", ""], &["controller", "vm-1"]),
        (&["rpar", "logs", "con"], &[]),
        (&["rpar", "--profile", "carver", "engines", "add", "--queue", "d"], &["debug"]),
        (&["rpar", "st"], &["start", "stop", "status"]),
        (&["rpar", "--profile", "carver", "start", "--pp"], &["--ppn"]),
        (&["rpar", "--profile", "=", "carver", "start", "--pp"], &["--ppn"]),
        (&["rpar", "--profile", "carver", "map", "--pp"], &["--ppn"]),
        (&["rpar", "--profile", "carver", "start", "--queue", ""], &["regular", "debug", "interactive"]),
        (&["rpar", "--profile", "carver", "start", "--queue", "=", "d"], &["debug"]),
        (&["rpar", "--profile", "carver", "start", "--queue", "="], &["regular", "debug", "interactive"]),
        (&["rpar", "--profile", "carver2", "start", "--reservation", "d"], &["day\\ one"]),
        (&["rpar", "--profile", "ca"], &["carver", "carver2"]),
        (&["rpar", "profile", "show", "t"], &["torque"]),
        (&["rpar", "stop", "--cluster-id", ""], &["second"]),
        (&["rpar", "--profile", "carver", "stop", "--cluster-id", ""], &[]),
        (&["rpar", "--profile", "nonsense", "start", "--qu"], &["--quiet"]),
        (&["rpar", "start", "--no-such-flag", ""], &[]),
    ];
    for (words, expected) in cases {
        assert_eq!(bash(&home, words), expected, "{words:?}");
    }
}

#[test]
fn the_users_own_command_is_the_shells_business() {
    let home = home();
    let cases: [&[&str]; 5] = [
        &["rpar", "map", "gz"],
        &["rpar", "map", "gzip {}", ":::", "--profile", "a"],
        &["rpar", "run", "--", "ls", "-"],
        &["rpar", "map", "--workdir", ""],
        &["rpar", "man", "--directory", "/t"],
    ];
    for words in cases {
        assert_eq!(bash(&home, words), ["compopt -o default"], "{words:?}");
        assert_eq!(zsh(&home, words), ["files"], "{words:?}");
    }
    std::fs::write(home.work().join("my file.cfg"), "").expect("a file");
    assert_eq!(fish(&home, "rpar map cat ::: my"), ["my file.cfg"]);
}

#[test]
fn zsh_and_fish_show_the_help_too() {
    let home = home();
    let ppn = "engines per node (a whole number from 1 to 8) [default: 8]";
    let line = ["rpar", "--profile", "carver2", "start", "--pp"];
    assert_eq!(zsh(&home, &line), [format!("--ppn:{ppn}")]);
    assert_eq!(fish(&home, &line.join(" ")), [format!("--ppn\t{ppn}")]);
    let choices = ["rpar", "--profile", "carver2", "start", "--reservation", ""];
    assert_eq!(zsh(&home, &choices), ["day one", "night\\:1"]);
    assert_eq!(fish(&home, "rpar --profile=carver2 start --reservation "), ["day one", "night:1"]);
    assert_eq!(fish(&home, "rpar list --no-such"), Vec::<String>::new());
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let output = home.run(&["man", "--directory", "pages/man1"]);
    assert!(output.status.success());
    let pages = home.work().join("pages/man1");
    for command in ["rpar", "rpar-map", "rpar-start", "rpar-profile-show", "rpar-completions"] {
        let text = std::fs::read_to_string(pages.join(format!("{command}.1"))).expect(command);
        assert!(text.contains(".SH NAME") && text.contains(".SH \"OPTIONS OF EVERY COMMAND\""), "{text}");
    }
    assert!(!pages.join("rpar-pilot.1").exists(), "the cluster's own processes are nobody's commands");
    let first = std::fs::read(pages.join("rpar.1")).expect("a page");
    assert_eq!(home.run(&["man"]).stdout, first);
    let text = String::from_utf8(first).expect("UTF-8");
    assert!(text.contains(".nf\nExamples:\n") && text.contains("\nExit status:\n"), "{text}");
}
