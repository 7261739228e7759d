//! What users are told when the site holds, refuses, loses or ends an allocation, on the small OpenPBS of `rpar-testkit`.

use rpar_testkit::FakeOpenPbs;
use rpar_tests::binary::{Home, testkit, until};

/// A home whose PATH begins with the fake's programs.
struct Site {
    home: Home,
    fake: FakeOpenPbs,
}

impl Site {
    fn new(scenario: &str, profile: &str) -> Self {
        let home = Home::new();
        home.profile("openpbs", &format!("[controller]\npoll_every = \"100ms\"\n{profile}"));
        let fake = FakeOpenPbs::install(&testkit(), &home.path().join("openpbs")).expect("it is installed");
        fake.play(scenario).expect("it plays");
        Site { home, fake }
    }

    /// Exit status, stdout and stderr of `rpar --profile openpbs WORDS`.
    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.home.command();
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.fake.bin().display()));
        let output = command.args(["--profile", "openpbs"]).args(words).output().expect("rpar starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn fine(&self, words: &[&str]) -> String {
        let (exit, out, err) = self.said(words);
        assert_eq!(exit, Some(0), "{words:?}: {out}{err}");
        out
    }

    /// Waits until an answer of `rpar why WORDS` has all of this; tells it.
    fn why(&self, words: &[&str], expected: &[&str]) -> String {
        let mut said = String::new();
        until(&format!("why {words:?} tells {expected:?}"), || {
            said = self.said(&[&["why"], words].concat()).1;
            expected.iter().all(|text| said.contains(text))
        });
        said
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.fake.play("kill_delay 0s");
        let _ = self.said(&["stop"]);
    }
}

#[test]
fn a_held_allocation_is_what_tasks_wait_for() {
    let site = Site::new("hold\n", "");
    site.fine(&["start", "--nodes", "1", "--no-wait"]);
    site.fine(&["submit", "echo {}", ":::", "a", "b"]);
    let all = site.why(&[], &["2 tasks wait: no engine is there; allocation ", " is held"]);
    let id =
        all.split("allocation ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id").to_owned();
    site.why(&["1.1"], &["task 1.1 waits: no engine is there; allocation ", " is held"]);
    site.why(&[&id], &[&format!("allocation {id} is held")]);
    let number = id.split('.').next().expect("a number");
    site.why(&["allocation", number], &[&format!("allocation {id} is held")]);
}

#[test]
fn a_refused_request_is_told_in_the_site_s_words() {
    let site = Site::new("refuse queue\n", "");
    site.fine(&["start", "--nodes", "1", "--no-wait"]);
    site.why(&["request", "0"], &["the request for 1 node failed: pbs could not submit an allocation"]);
}

#[test]
fn an_allocation_that_ends_before_its_engines_come_shows_its_output() {
    let site =
        Site::new("", "[engines]\nnodes = 1\n[scheduler]\nsetup = [\"echo no such module; exit 3\"]\n");
    let (exit, out, err) = site.said(&["start", "--no-wait"]);
    assert_eq!(exit, Some(0), "{out}{err}");
    let told =
        ["ended before its engines registered (exit status 3", "no such module", "logs` shows what it wrote"];
    site.why(&["request", "0"], &told);
}

#[test]
fn the_end_of_a_walltime_is_no_failure_of_a_task() {
    let site = Site::new("kill_delay 5s\n", "");
    site.fine(&["start", "--nodes", "1", "--ppn", "2", "--walltime", "14s"]);
    // it would not end in time, and nothing else is coming
    let (exit, _, err) = site.said(&["map", "--time", "1m", "echo {}", ":::", "a"]);
    assert_eq!(exit, Some(1), "{err}");
    assert!(err.contains("this task needs 1m, and 5s to spare; the longest allocation has "), "{err}");
    // one that must not run again, and one that goes on elsewhere
    site.fine(&["submit", "--no-rerun", "sleep 600; echo {}", ":::", "a"]);
    site.fine(&["submit", "[ -e ran ] || { touch ran; sleep 600; }; echo {}", ":::", "b"]);
    site.fine(&["engines", "add", "--nodes", "1", "--ppn", "1", "--walltime", "10m"]);
    let (exit, out, err) = site.said(&["wait", "2", "--timeout", "60s"]);
    assert_eq!(exit, Some(0), "{out}{err}");
    assert_eq!(site.fine(&["results", "2"]), "b\n");
    site.why(&["1.1"], &["task 1.1 ended as lost", "killed at the walltime of allocation "]);
    site.why(&["engine", "0"], &["is gone since 00:0", "the walltime of allocation "]);
}
