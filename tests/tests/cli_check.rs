//! `rpar profile check`: what is wrong with a profile is told before anybody asks for nodes.

use std::path::Path;

use rpar_tests::binary::{Home, rpar};
use rpar_tests::services;
use serde_json::Value;

/// A profile with one of each mistake.
const MISTAKES: &str = r#"extends = "torque"
[params.queue]
type = "choice"
choices = ["regular", "gone"]
default = "gone"
[params.memory]
type = "string"
default = "4gb"
[scheduler]
template = """
#!/bin/bash
#PBS -l nodes=2:ppn={{ ppn }}
#PBS -l walltime=1:00:00,walltime=2:00:00
#PBS -q {{ queue }}
cd {{ directory }}
if true; then
exec {{ pilot }}
"""
[transport]
advertise = ["ib77"]
[engines]
setup = ["export API_TOKEN=abcdefg", "for x in; do"]
program = "/etc/passwd"
[storage]
dir = "/dev/shm/rpar-check"
"#;

/// Checks a profile at the Slurm test bed; tells the exit status and the answer.
fn check(home: &Home, words: &[&str]) -> (Option<i32>, Value) {
    let mut command = home.command();
    command.args(["profile", "check", "--json"]).args(words).envs(services::slurm().environment);
    let output = command.output().expect("rpar starts");
    let answer = serde_json::from_slice(&output.stdout);
    (output.status.code(), answer.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// Severity, what, and where of each finding that is not fine.
fn wrong(answer: &Value, home: &Home) -> Vec<String> {
    let profiles = format!("{}/.config/rpar/profiles/", home.path().display());
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").replace(&profiles, "");
    let findings = answer["findings"].as_array().expect("a list").iter();
    findings
        .filter(|finding| finding["severity"] != "ok")
        .map(|finding| ["severity", "where", "what"].map(|key| text(finding, key)).join(" "))
        .collect()
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let home = Home::new();
    home.profile("ours", MISTAKES);
    let (exit, answer) = check(&home, &["ours"]);
    assert_eq!(exit, Some(110));
    let expected = [
        "error ours.toml:10 `#PBS -l walltime` is `1:00:00` and `2:00:00`, in lines 3 and 3 of the script",
        "error ours.toml:10 the job script is not valid for bash",
        "warning ours.toml:10 `--nodes` changes nothing",
        "warning ours.toml:10 `--walltime` changes nothing",
        "warning ours.toml:10 `--account` changes nothing",
        "warning ours.toml:7 `--memory` changes nothing",
        "error ours.toml:22 `setup` in `[engines]` is not valid for bash",
        "warning ours.toml:22 `engines.setup` seems to hold a password or token",
        "error ours.toml:23 /etc/passwd is no program",
        "error ours.toml:20 cannot listen at tcp://0.0.0.0:0",
        "error ours.toml:25 /dev/shm/rpar-check is on tmpfs, which this host alone sees",
        "error ours.toml:4 the site has no queue `gone`",
    ];
    assert_eq!(wrong(&answer, &home), expected);
    let counts = (answer["errors"].as_u64(), answer["warnings"].as_u64());
    assert_eq!(counts, (Some(7), Some(5)));
    assert!(!Path::new("/dev/shm/rpar-check").exists(), "a check leaves nothing");
    let findings = answer["findings"].as_array().expect("a list");
    let listen = findings.iter().find(|finding| finding["where"].to_string().contains("toml:20"));
    assert!(listen.is_some_and(|finding| finding["why"].to_string().contains("ib77")), "{answer}");
}

#[test]
fn what_ships_is_fine() {
    let home = Home::new();
    for name in ["slurm", "torque", "carver", "local"] {
        let (exit, answer) = check(&home, &[name]);
        assert_eq!((exit, &answer["errors"]), (Some(0), &0.into()), "{name}: {answer}");
        let told = answer.to_string();
        assert!(name == "local" || told.contains(" answers"), "{told}");
    }
    // the test bed knows no such queue, and a user may choose it
    let (_, answer) = check(&home, &["carver"]);
    assert!(wrong(&answer, &home).iter().any(|line| line.ends_with("no queue `interactive`")), "{answer}");
}

#[test]
fn given_values_are_what_is_rendered() {
    let home = Home::new();
    home.profile(
        "ours",
        "extends = \"slurm\"\n[scheduler]\ndirectives = [\"{% if ppn > 4 %}--nodes=9{% endif %}\"]\n",
    );
    let (exit, answer) = check(&home, &["ours", "--ppn", "4"]);
    assert_eq!(exit, Some(0), "{answer}");
    assert!(answer.to_string().contains("renders with --ppn 4"), "{answer}");
    let (exit, answer) = check(&home, &["ours"]);
    let told = wrong(&answer, &home);
    assert!(exit == Some(110) && told[0].contains("`#SBATCH --nodes` is `1` and `9`"), "{told:?}");
    let (exit, _, err) = home.said(&["profile", "check", "ours", "--ppn", "0"]);
    assert!(exit == Some(2) && err.contains("from 1 to 4096"), "{err}");
}

#[test]
fn a_profile_that_does_not_load_is_a_finding() {
    let home = Home::new();
    home.profile("ours", "extends = \"local\"\n[engine]\nppn = 1\n");
    let (exit, answer) = check(&home, &["ours"]);
    assert_eq!(exit, Some(110));
    assert!(answer["findings"][0]["what"].to_string().contains("ours.toml:2"), "{answer}");
    let (exit, out, _) = home.said(&["profile", "check", "ours"]);
    assert!(exit == Some(110) && out.starts_with("error    "), "{out}");
}

#[test]
fn a_site_that_does_not_answer_is_told_in_its_own_words() {
    let home = Home::new();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    for name in ["qsub", "qstat", "qdel", "pbsnodes"] {
        let text = "#!/bin/sh\necho 'qstat: cannot connect to server login1 (errno=111)' >&2; exit 111\n";
        std::fs::write(bin.join(name), text).expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).expect("executable");
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let run = |path: &str| {
        let mut command = home.command();
        command.args(["profile", "check", "torque"]).env("PATH", path);
        let output = command.output().expect("rpar starts");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (exit, out) = run(&path);
    assert!(exit == Some(110) && out.contains("next: the batch server does not answer"), "{out}");
    let (exit, out) = run("/nowhere");
    assert!(exit == Some(110) && out.contains("error    `qsub` is not on PATH"), "{out}");
}

#[test]
fn an_address_that_this_host_does_not_have_is_told() {
    let home = Home::new();
    home.profile("ours", "extends = 'slurm'\n[transport]\nadvertise = ['203.0.113.7']\n");
    let (_, answer) = check(&home, &["ours"]);
    let told = "warning ours.toml:3 can listen at tcp://0.0.0.0:0; the nodes are told tcp://203.0.113.7";
    assert!(wrong(&answer, &home).contains(&told.to_owned()), "{answer}");
}

#[test]
fn a_list_of_hosts_is_not_asked_for_more_than_it_has() {
    let home = Home::new();
    home.profile("lab", "extends = 'hosts'\n[scheduler]\nhosts = ['node1:4', 'node2']\n");
    let (exit, answer) = check(&home, &["lab"]);
    assert_eq!(exit, Some(0), "{answer}");
}

#[test]
fn a_program_that_other_hosts_do_not_see_matters_where_they_run_it() {
    let home = Home::new();
    let own = tempfile::tempdir_in("/tmp").expect("a directory that this host has for itself");
    let program = own.path().join("rpar");
    std::fs::copy(rpar(), &program).expect("a copy");
    home.profile("shared", "extends = \"hosts\"\n[scheduler]\nhosts = \"node1\"\n[storage]\nshared = true\n");
    home.profile("apart", "extends = \"hosts\"\n[scheduler]\nhosts = \"node1\"\n");
    for (profile, matters) in [("local", false), ("apart", false), ("shared", true)] {
        let output = home.command_of(&program).args(["profile", "check", profile]).output().expect("it runs");
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(out.contains("which other hosts may not see"), matters, "{profile}: {out}");
    }
}
