//! The file system that the cluster's directory is on takes nothing more.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::place::{Place, ended, entries, send, until};

/// What a tmpfs keeps a file's bytes in.
const PAGE_BYTES: usize = 4096;

/// A small file system of its own in a directory of a place, which only root can mount. Without root there is no such
/// test, but in CI there must be.
struct Small {
    at: PathBuf,
}

impl Small {
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at);
        let output = mount.output().expect("mount starts");
        if output.status.success() {
            return Some(Small { at });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "a full disk needs root: {said}");
        None
    }

    /// Takes all space, but for so many pages.
    fn fill(&self, pages_left: usize) {
        let path = self.at.join("filling");
        let mut file = File::create(&path).expect("a file");
        while file.write_all(&[1; PAGE_BYTES]).is_ok() {}
        let length = file.metadata().expect("its length").len();
        file.set_len(length - (pages_left * PAGE_BYTES) as u64).expect("space is given back");
    }

    /// Takes every inode: no file can be made any more.
    fn use_up_names(&self) {
        let mut number = 0;
        while File::create(self.at.join(format!("filling.{number}"))).is_ok() {
            number += 1;
        }
    }

    /// What is there besides what this test has put there.
    fn left(&self) -> Vec<String> {
        entries(&self.at).into_iter().filter(|name| !name.starts_with("filling")).collect()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // a failed test's cluster may still be there: lazily
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn numbers(path: &Path) -> usize {
    entries(path).iter().filter(|name| name.starts_with("began.")).count()
}

#[test]
fn a_running_cluster_goes_on_and_stops() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.home.state(), "size=256k") else { return };
    place.start(2);
    disk.fill(0);
    let words =
        ["map", "touch began.{}; until [ -e go ]; do sleep 0.02; done; echo {}", ":::", "1", "2", "3"];
    let map = place.begin(&words);
    until("both engines have a task", || numbers(&place.home.work()) == 2);
    // what follows is to be logged by everybody
    send(place.engines(2)[0].1, Signal::KILL);
    place.until_status("it is told", |status| status["problems"].to_string().contains("it is started again"));
    place.engines(2);
    std::fs::write(place.home.work().join("go"), "").expect("a file");
    let map = ended(map);
    assert_eq!((map.exit, map.out.as_str()), (Some(0), "1\n2\n3\n"), "{map:?}");
    place.rpar(&["stop"]).says(0, &["is stopped"]);
    place.no_process_left();
    assert_eq!(disk.left(), [""; 0]);
}

#[test]
fn a_start_says_what_it_has_no_room_for_and_takes_it_back() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.home.state(), "size=256k") else { return };
    for pages in 0.. {
        disk.fill(pages);
        let ran = place.rpar(&["start", "--nodes", "1", "--ppn", "1"]);
        if ran.exit == Some(0) {
            assert!(pages > 3, "at least the profile, three files and a script want room");
            break;
        }
        assert!(
            ran.err.contains("could not write") && ran.err.contains("No space left on device"),
            "{ran:?}"
        );
        place.no_process_left();
        assert_eq!(disk.left(), [""; 0]);
    }
    place.rpar(&["stop"]).says(0, &["is stopped"]);
    place.no_process_left();
    assert_eq!(disk.left(), [""; 0]);
}

#[test]
fn large_output_that_has_no_room_ends_the_map() {
    let place = Place::started(1);
    let Some(disk) = Small::mount(place.home.temporary(), "size=256k") else { return };
    let words = ["map", "head -c 64M /dev/zero; true", ":::", "1", "2"];
    let at = disk.at.display().to_string();
    place.rpar(&words).says(117, &[&at, "No space left on device", "$TMPDIR names another directory"]);
    // nobody else has suffered
    place.rpar(&["map", "echo {}", ":::", "1"]).says(0, &[]);
    assert_eq!(place.status()["problems"], serde_json::json!([]));
    place.stop();
}

#[test]
fn a_submitted_task_whose_output_has_no_room_fails_and_the_others_do_not() {
    let place = Place::new();
    let Some(_disk) = Small::mount(place.home.state(), "size=1m") else { return };
    place.start(2);
    let script = "[ {} = small ] || { head -c 64M /dev/zero; exit; }; echo {}";
    place.rpar(&["submit", "--live", script, ":::", "large", "small"]).says(0, &[]);
    let at = place.home.state().join("quick/default/submissions/1.output");
    let words =
        ["task 1: what it wrote could not be kept", &at.display().to_string(), "No space left on device"];
    let results = place.rpar(&["results", "1"]);
    assert_eq!(results.out, "small\n");
    results.says(1, &words);
    let problems = place.status()["problems"].to_string();
    assert!(problems.contains("task 1 of submission 1") && problems.contains("No space left"), "{problems}");
    assert_eq!(entries(&at), ["2.stderr", "2.stdout"], "the space was given back");
    place.rpar(&["submit", "head -c 512k /dev/zero; true", ":::", "fits"]).says(0, &[]);
    assert_eq!(place.rpar(&["results", "2"]).out.len(), 512 << 10);
    place.stop();
}

#[test]
fn a_cluster_is_stopped_where_no_file_can_be_made() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.home.state(), "nr_inodes=64") else { return };
    place.start(1);
    disk.use_up_names();
    place.rpar(&["map", "echo {}", ":::", "1"]).says(0, &[]);
    place.rpar(&["stop"]).says(0, &["No space left on device", "without a lock", "is stopped"]);
    place.no_process_left();
    assert_eq!(disk.left(), [""; 0]);
}
