//! What `rpar map` makes of results: when they are printed, where else they go, and how much memory they take.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rpar_tests::binary::{Home, until};
use rustix::process::{Pid, Signal, kill_process};

/// Waits for `go`, in the directory of the map, when its argument is `slow`.
const SLOW_WAITS: &str = "[ {} != slow ] || until [ -e go ]; do sleep 0.01; done";

/// A map that runs. Killed when dropped: a failed test must not leave it behind.
struct Map(Option<Child>);

impl Map {
    fn start(home: &Home, words: &[&str]) -> Self {
        let mut command = home.command();
        command.arg("map").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Map(Some(command.spawn().expect("rpar starts")))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it runs")
    }

    /// The most memory that it has had so far, proc_pid_status(5).
    fn peak_bytes(&mut self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child().id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    fn ended(mut self) -> Output {
        let child = self.0.take().expect("it runs");
        child.wait_with_output().expect("rpar ends")
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn go(home: &Home) {
    fs::write(home.work().join("go"), "").expect("a file");
}

fn read(home: &Home, name: &str) -> String {
    fs::read_to_string(home.work().join(name)).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn unordered_results_are_printed_when_their_tasks_end() {
    let home = Home::new();
    let command = format!("{SLOW_WAITS}; echo {{}}");
    let mut map = Map::start(&home, &["-j2", "-u", "--tag", &command, ":::", "slow", "fast"]);
    let mut first = [0; 10];
    map.child().stdout.as_mut().expect("a pipe").read_exact(&mut first).expect("a result");
    assert_eq!(&first, b"fast\tfast\n");
    go(&home);
    assert_eq!(text(&map.ended().stdout), "slow\tslow\n");
}

#[test]
fn ordered_results_wait_and_the_joblog_does_not() {
    let home = Home::new();
    let command = format!("{SLOW_WAITS}; echo {{}}");
    let map = Map::start(&home, &["-j2", "--joblog", "log", &command, ":::", "slow", "a", "b"]);
    until("the others are logged", || read(&home, "log").lines().count() == 3);
    go(&home);
    assert_eq!(text(&map.ended().stdout), "slow\na\nb\n");
    let log = read(&home, "log");
    assert!(log.lines().nth(3).is_some_and(|line| line.starts_with("1\t")), "{log}");
}

#[test]
fn files_that_cannot_be_written_end_the_map() {
    let home = Home::new();
    fs::write(home.work().join("file"), "text\n").expect("a file");
    for (words, expected) in [
        (["--joblog", "absent/log"], "could not write the joblog absent/log"),
        (["--results", "file/res"], "could not write results to file/res/1/a"),
        (["--joblog=file", "--resume"], "line 1 of file is no line of a joblog"),
    ] {
        let (exit, _, err) = home.said(&[&["map"][..], &words, &["echo", ":::", "a"]].concat());
        assert!(exit == Some(117) && err.contains(expected), "{words:?}: {exit:?} {err}");
    }
    assert_eq!(read(&home, "file"), "text\n");
}

#[test]
fn progress_is_shown_where_it_is_asked_for() {
    let home = Home::new();
    let (exit, out, err) = home.said(&["map", "--eta", "echo", ":::", "a", "b"]);
    assert_eq!((exit, out.as_str()), (Some(0), "a\nb\n"));
    assert!(err.ends_with(" a task]\n") && err.contains("2/2 ["), "{err}");
    let (_, _, err) = home.said(&["map", "echo", ":::", "a", "b"]);
    assert_eq!(err, "");
}

#[test]
fn submissions_wait_for_one_another() {
    let home = Home::new();
    let begun = Instant::now();
    assert_eq!(home.said(&["map", "--delay", "0.2", "echo", ":::", "a", "b", "c"]).1, "a\nb\nc\n");
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[test]
fn ctrl_c_is_felt_in_a_stream_of_results() {
    let home = Home::new();
    let mut map = Map::start(&home, &["echo"]);
    let mut out = map.child().stdout.take().expect("a pipe");
    let mut input = map.child().stdin.take().expect("a pipe");
    let endless = std::thread::spawn(move || while input.write_all(b"x\n").is_ok() {});
    out.read_exact(&mut [0; 200]).expect("a hundred results");
    let rest = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let pid = Pid::from_raw(map.child().id().try_into().expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("the signal is sent");
    let output = map.ended();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("waiting for the tasks that run") && said.contains("nothing more was started"),
        "{said}"
    );
    endless.join().expect("the input's thread ends");
    rest.join().expect("the output's thread ends").expect("results");
}

#[test]
fn large_results_are_printed_like_small_ones() {
    let home = Home::new();
    let lines = |count: usize| (1..=count).map(|number| format!("x\t{number}\n")).collect::<String>();
    for (first, second) in [(200_000, 3), (3, 200_000)] {
        let script = format!(
            ": {{}}; if [ -e again ]; then rm again; seq 1 {second}; seq 1 {first} >&2; exit 0; fi
             touch again; seq 1 {first}; exit 1"
        );
        let (exit, out, err) = home.said(&["map", "--retries", "1", "--tag", &script, ":::", "x"]);
        // only the last try, and each line of it once
        assert_eq!(exit, Some(0), "{err}");
        assert!(out == lines(second) && err == lines(first), "{} and {} bytes", out.len(), err.len());
    }
}

#[test]
fn a_signal_is_felt_in_the_midst_of_large_output() {
    const WHOLE: u64 = 256 << 20;
    let home = Home::new();
    let mut map = Map::start(&home, &[&format!("head -c {WHOLE} /dev/zero; true"), ":::", "x"]);
    let mut out = map.child().stdout.take().expect("a pipe");
    out.read_exact(&mut [0; 100]).expect("zeros");
    // it waits for its reader
    let pid = Pid::from_raw(map.child().id().try_into().expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("the signal is sent");
    let rest = std::io::copy(&mut out, &mut std::io::sink()).expect("zeros");
    assert!(rest < WHOLE - 100, "all of it was printed");
    assert_eq!(map.ended().status.code(), Some(143));
}

#[test]
fn an_endless_input_is_not_read_ahead_without_bound() {
    let home = Home::new();
    let mut map = Map::start(&home, &["-n1", "until [ -e go ]; do sleep 0.01; done; : {}"]);
    let mut input = map.child().stdin.take().expect("a pipe");
    let (written, count) = std::sync::mpsc::channel();
    let endless = std::thread::spawn(move || {
        while input.write_all(&[b"x\n".as_slice(); 4096].concat()).is_ok() {
            if written.send(4096).is_err() {
                return;
            }
        }
    });
    let mut lines = 0;
    // the pipe and the reader's buffer hold some more: 64 KiB each
    while let Ok(more) = count.recv_timeout(Duration::from_secs(if lines < 65_536 { 60 } else { 2 })) {
        lines += more;
    }
    assert!((65_536..65_536 + 3 * 32_768 + 4096).contains(&lines), "{lines} lines were read ahead");
    assert!(map.peak_bytes() < 80 << 20, "{} bytes", map.peak_bytes());
    drop(map);
    drop(count);
    endless.join().expect("the input's thread ends");
}

#[test]
fn large_results_that_wait_take_no_memory() {
    let home = Home::new();
    let command = format!("{SLOW_WAITS}; head -c 16M /dev/zero");
    let mut words = vec!["-j2", "--joblog", "log", &command, ":::", "slow"];
    words.extend(["x"; 24]);
    let mut map = Map::start(&home, &words);
    until("all but the first have ended", || read(&home, "log").lines().count() == 25);
    // 384 MiB wait, of which 8 MiB may stay in memory; others are on their way
    assert!(map.peak_bytes() < 64 << 20, "{} bytes", map.peak_bytes());
    go(&home);
    let mut out = map.child().stdout.take().expect("a pipe");
    let read = std::io::copy(&mut out, &mut std::io::sink()).expect("results");
    assert_eq!((read, map.ended().status.code()), (25 << 24, Some(0)));
}
