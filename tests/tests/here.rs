//! From inside an allocation that the user holds, on a real Slurm: engines there, and work on a cluster of the login node.

use std::process::Output;

use rpar_tests::binary::{rpar, until};
use rpar_tests::user::User;

/// What these lines say in an allocation of so many nodes with two cores each; `rpar` is a function there.
fn inside(user: &User, nodes: u32, lines: &str) -> Output {
    let script = format!("set -e\nrpar() {{ '{}' --profile slurm \"$@\"; }}\n{lines}", rpar().display());
    let mut command = user.home.command_of("salloc".as_ref());
    let (nodes, tasks) = (format!("-N{nodes}"), format!("-n{}", 2 * nodes));
    command.args(["--quiet", &nodes, &tasks, "--ntasks-per-node=2", "-t5"]);
    command.args(["bash", "-c", &script]).envs(&user.slurm.environment);
    command.output().expect("salloc starts")
}

fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_held_allocation_gets_a_cluster_and_stays_the_users() {
    let user = User::new("slurm");
    let lines = "rpar start --here
        rpar engines list --json > list
        rpar map 'echo $SLURM_JOB_ID {}' ::: 1 2 3
        rpar stop
        echo left: $(squeue -h -j $SLURM_JOB_ID -o '%i %T') of $SLURM_JOB_ID";
    let said = told(&inside(&user, 2, lines));
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(user.home.work().join("list")).expect("a list")).expect("JSON");
    assert_eq!(list["engines"].as_array().map(Vec::len), Some(4), "as many as there are cores: {list}");
    let job = said.trim_end().rsplit(' ').next().expect("a job");
    let expected = format!("{job} 1\n{job} 2\n{job} 3\nleft: {job} RUNNING of {job}\n");
    assert_eq!(said, expected, "all ran in the user's job, which outlives the cluster");
    until("no process is left", || user.home.processes().is_empty());
}

#[test]
fn a_running_cluster_is_joined_for_as_long_as_the_allocation_lasts() {
    let user = User::new("slurm");
    user.ok(&["start", "--nodes", "1", "--ppn", "1"]);
    let lines = "rpar start --here --ppn 1 --nodes 1
        rpar map 'sleep 0.3; echo $SLURM_JOB_ID' ::: 1 2
        echo in $SLURM_JOB_ID";
    let said = told(&inside(&user, 2, lines));
    let jobs: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    let held = said.trim_end().rsplit(' ').next().expect("a job");
    assert!(jobs[0] != jobs[1] && jobs[..2].contains(&held), "each allocation ran one: {said}");
    let engines = || {
        let list: serde_json::Value =
            serde_json::from_str(&user.ok(&["engines", "list", "--json"])).expect("JSON");
        list["engines"].as_array().map_or(0, Vec::len)
    };
    until("the engines leave with the allocation", || engines() == 1);
    assert_eq!(user.ok(&["map", "echo {}", ":::", "1"]), "1\n");
    user.ok(&["stop"]);
}

#[test]
fn outside_of_an_allocation_it_says_what_it_looked_for() {
    let user = User::new("slurm");
    let output = user.rpar(&["start", "--here"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && err.contains("SLURM_JOB_NODELIST is set"), "{err}");
    let (exit, _, err) = user.home.said(&["start", "--here"]);
    assert!(exit != Some(0) && err.contains("profile local has no allocations"), "{err}");
    let output = inside(&user, 1, "rpar start --here --nodes 7");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("7 nodes were asked for, and this allocation has 1"), "{err}");
    assert!(!user.home.state().exists(), "nothing was started");
}

/// The advice for results that are too much for a login node: take them on a compute node.
#[test]
fn an_interactive_job_works_with_the_cluster_of_the_login_node() {
    let user = User::new("slurm");
    user.ok(&["start", "--nodes", "1", "--ppn", "2"]);
    let lines = "srun -N1 -n1 '$RPAR' --profile slurm map 'echo {} $SLURM_JOB_ID' ::: 1 2
        srun -N1 -n1 '$RPAR' --profile slurm status --json
        echo in $SLURM_JOB_ID";
    let said = told(&inside(&user, 1, &lines.replace("$RPAR", &rpar().display().to_string())));
    let held = said.trim_end().rsplit(' ').next().expect("a job");
    let ran: Vec<&str> = said.lines().take(2).collect();
    assert!(ran[0].starts_with("1 ") && ran[1].starts_with("2 "), "{said}");
    assert!(
        ran.iter().all(|line| !line.ends_with(&format!(" {held}"))),
        "the cluster's nodes ran them: {said}"
    );
    assert!(said.contains("slurm/default"), "{said}");
    user.ok(&["stop"]);
}
