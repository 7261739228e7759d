//! `rpar profile import`: what a configuration of IPython Parallel says, as a profile.

use std::path::PathBuf;

use rpar_tests::binary::Home;
use serde_json::{Value, json};

/// Puts a configuration where IPython keeps that of its profile `mine`.
fn config(home: &Home, text: &str) -> PathBuf {
    let directory = home.path().join(".ipython/profile_mine");
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("ipcluster_config.py");
    std::fs::write(&file, text).expect("the configuration");
    file
}

/// Imports it, and gives the new profile's values by key, and what was said.
fn import(home: &Home, text: &str) -> (Value, String) {
    let file = config(home, text);
    let (exit, _, said) = home.said(&["profile", "import", "--force", file.to_str().expect("UTF-8")]);
    assert_eq!(exit, Some(0), "{said}");
    (home.json(&["profile", "show", "mine"])["values"].take(), said)
}

fn expect(profile: &Value, values: &[(&str, Value)]) {
    for (key, value) in values {
        assert_eq!(&profile[key]["value"], value, "{key}");
    }
}

#[test]
fn a_batch_template_of_torque() {
    let home = Home::new();
    let (profile, said) = import(
        &home,
        r##"
c = get_config()
c.IPClusterStart.controller_launcher_class = "LocalControllerLauncher"
c.IPClusterEngines.engine_launcher_class = "PBSEngineSetLauncher"
c.IPClusterEngines.n = 20
c.PBSLauncher.queue = "debug"
c.HubFactory.ip = "*"
c.PBSEngineSetLauncher.batch_template = """#!/bin/bash -l
#PBS -q {queue}
#PBS -l walltime=00:30:00
#PBS -l nodes=3:ppn=8
#PBS -l mem=4gb
#PBS -V
cd $PBS_O_WORKDIR
module load python
mpiexec -n {n} ipengine --profile-dir={profile_dir}
"""
c.IPClusterApp.log_level = 10
c.TaskScheduler.hwm = 1
"##,
    );
    expect(
        &profile,
        &[
            ("scheduler.kind", json!("torque")),
            ("params.nodes.default", json!(3)),
            ("params.ppn.default", json!(8)),
            ("params.queue.default", json!("debug")),
            ("params.walltime.default", json!("00:30:00")),
            ("scheduler.directives", json!(["-l mem=4gb"])),
            ("engines.setup", json!(["module load python"])),
            ("launcher.kind", json!("mpiexec")),
            // it listens everywhere anyway
            ("transport.advertise", json!(null)),
        ],
    );
    assert!(said.contains("not carried over: TaskScheduler.hwm = 1"), "{said}");
    assert!(!said.contains("log_level"), "{said}");

    let (_, script, _) = home.said(&["--profile", "mine", "start", "--dry-run"]);
    for line in ["#PBS -l nodes=3:ppn=8", "#PBS -q debug", "#PBS -l mem=4gb", "#PBS -l walltime=00:30:00"] {
        assert!(script.contains(line), "{line} is not in\n{script}");
    }
}

#[test]
fn launchers_by_the_names_of_later_versions() {
    let home = Home::new();
    let slurm = r#"
c.Cluster.engine_launcher_class = "slurm"
c.Cluster.n = 8
c.Cluster.controller_ip = "ib0"
c.SlurmLauncher.account = "m1234"
c.SlurmLauncher.timelimit = "02:00:00"
c.SlurmLauncher.qos = "low"
c.EngineLauncher.environment = {"GREETING": "it's me"}
c.EngineLauncher.engine_args.append("--log-level=10")
"#;
    let (profile, said) = import(&home, slurm);
    expect(
        &profile,
        &[
            ("scheduler.kind", json!("slurm")),
            ("params.account.default", json!("m1234")),
            ("params.walltime.default", json!("02:00:00")),
            ("scheduler.directives", json!(["--qos=low"])),
            ("transport.advertise", json!(["ib0"])),
            ("engines.setup", json!([r"export GREETING='it'\''s me'"])),
        ],
    );
    assert!(said.contains("8 engines: `rpar start -n 8`"), "{said}");
    assert!(said.contains(r#"EngineLauncher.engine_args = ["--log-level=10"]"#), "{said}");

    let home = Home::new();
    let ssh = "from ipyparallel_stub import nothing\n";
    let file = config(&home, ssh);
    let (exit, _, said) = home.said(&["profile", "import", file.to_str().expect("UTF-8")]);
    assert!(exit == Some(117) && said.contains("No module named 'ipyparallel_stub'"), "{exit:?} {said}");

    let ssh = "c.SSHEngineSetLauncher.engines = {'node1': 2, 'node2': (4, ['--x'])}\n";
    let (profile, _) = import(&home, ssh);
    expect(
        &profile,
        &[("scheduler.kind", json!("hosts")), ("params.hosts.default", json!("node1:2,node2:4"))],
    );
}

#[test]
fn a_batch_system_without_a_backend_is_told_of() {
    let home = Home::new();
    let file = config(&home, "c.Cluster.engine_launcher_class = 'SGEEngineSetLauncher'\n");
    let (exit, _, said) = home.said(&["profile", "import", file.to_str().expect("UTF-8")]);
    assert_eq!(exit, Some(117), "{said}");
    assert!(said.contains("SGEEngineSetLauncher") && said.contains("docs/adding-a-backend.md"), "{said}");
    assert!(!home.path().join(".config/rpar/profiles/mine.toml").exists());
}
