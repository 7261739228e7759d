//! Engine hosts as processes: what happens when one is killed.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rpar_tests::binary::Home;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process ids that commands have written down.
fn pids(file: &Path) -> Vec<i32> {
    let written = std::fs::read_to_string(file).unwrap_or_default();
    written.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Whether a process still does anything; a zombie does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn engine_host(home: &Home) -> Option<i32> {
    let hosts = home.processes().into_iter().filter(|process| process.contains("rpar engine "));
    hosts.filter_map(|process| process.split(' ').next()?.parse().ok()).next()
}

/// The states of the threads of a host's engines: `S` is one that waits.
fn engines(host: i32) -> Vec<char> {
    let threads = std::fs::read_dir(format!("/proc/{host}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    let engines = stats.filter(|stat| stat.contains("(engine "));
    engines.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect()
}

#[test]
fn a_killed_host_takes_its_commands_along_and_every_result_comes_once() {
    let home = Home::new();
    let file = home.work().join("pids");
    let script = "echo $$ >> pids; while [ ! -e go ]; do sleep 0.05; done; echo done {}";
    // enough for every engine to have one: there are as many as cores
    let cores = std::thread::available_parallelism().unwrap().get();
    let arguments: Vec<String> = (0..2 * cores + 1).map(|number| number.to_string()).collect();
    let map = home
        .command()
        .args(["map", script, ":::"])
        .args(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let host = until("the engine host is found", || engine_host(&home));
    // each has started its command, told the guard of it, and waits for it
    until("all engines are busy", || {
        let engines = engines(host);
        let busy = !engines.is_empty() && engines.len() == pids(&file).len();
        (busy && engines.iter().all(|state| *state == 'S')).then_some(())
    });
    kill_process(Pid::from_raw(host).unwrap(), Signal::KILL).unwrap();
    until("the engine host is gone", || (!runs(host)).then_some(()));
    let first = pids(&file);
    until("its commands are gone", || first.iter().all(|pid| !runs(*pid)).then_some(()));
    until("commands run again", || (pids(&file).len() > first.len()).then_some(()));
    std::fs::write(home.work().join("go"), "").unwrap();
    let output = map.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let results = String::from_utf8_lossy(&output.stdout);
    let expected: String = arguments.iter().map(|argument| format!("done {argument}\n")).collect();
    assert_eq!(results, expected, "{said}");
    until("nothing is left", || home.processes().is_empty().then_some(()));
}
