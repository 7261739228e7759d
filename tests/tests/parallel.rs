//! `rpar map` beside the real GNU parallel: the same lines, in the same shell, on the same files. A line is given to both,
//! and they print the same and end alike; or the table says how each ends, and why rpar differs.

mod parallel {
    mod options;
    mod outcomes;
    mod placeholders;
    mod quoting;
    mod sources;
}

use std::path::Path;
use std::process::Command;

use rpar_tests::binary::{Home, rpar};

/// What a line comes to here and there: stdout and exit status.
struct Differs {
    line: &'static str,
    parallel: (&'static str, i32),
    rpar: (&'static str, i32),
    why: &'static str,
}

/// A cluster of one engine, so that tasks end in order, and a place for each line to run in.
struct Bench {
    home: Home,
}

impl Bench {
    fn start() -> Self {
        let home = Home::new();
        let started = home.run(&["start", "-n", "1"]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Bench { home }
    }

    /// What a line prints, and how it ends, where `map` is one of the two programs.
    fn run(&self, program: &str, line: &str) -> (Vec<u8>, Option<i32>, String) {
        let place = tempfile::tempdir_in(self.home.work()).expect("a directory");
        files(place.path());
        let mut command = Command::new("bash");
        command.env_clear().current_dir(place.path());
        // where parallel keeps its state, and the shell that runs tasks here too
        command.env("HOME", self.home.path()).env("PARALLEL_SHELL", "/bin/sh").env("LC_ALL", "C.UTF-8");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RPAR", rpar());
        command.arg("-c").arg(format!("map() {{ {program} \"$@\"; }}\n{line}"));
        let output = command.output().expect("bash starts");
        (output.stdout, output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn parallel(&self, line: &str) -> (Vec<u8>, Option<i32>, String) {
        self.run("parallel --will-cite -j1 -k", line)
    }

    fn rpar(&self, line: &str) -> (Vec<u8>, Option<i32>, String) {
        self.run("\"$RPAR\" map", line)
    }
}

/// What lines may read.
fn files(place: &Path) {
    let files = [
        ("f", "1\n2\n"),
        ("g", "3\n4\n5\n"),
        ("csv", "a,b c,d\n e , f \n\nx\n"),
        ("torn", "one\ntwo"),
        ("empty", ""),
    ];
    for (name, text) in files {
        std::fs::write(place.join(name), text).expect("a file");
    }
}

/// Runs the lines of `same`, each with `after` at its end, and those of `differs`.
fn compare(same: &[&str], after: &str, differs: &[Differs]) {
    let bench = Bench::start();
    let mut wrong = String::new();
    let shown = |(out, exit, err): &(Vec<u8>, Option<i32>, String)| {
        format!(
            "{exit:?} {:?}\n      {}",
            String::from_utf8_lossy(out),
            err.trim_end().replace('\n', "\n      ")
        )
    };
    for line in same.iter().map(|line| format!("{line}{after}")) {
        let (theirs, ours) = (bench.parallel(&line), bench.rpar(&line));
        if (&theirs.0, theirs.1) != (&ours.0, ours.1) {
            wrong += &format!("{line}\n  parallel: {}\n  rpar: {}\n", shown(&theirs), shown(&ours));
        }
    }
    for Differs { line, parallel, rpar, why } in differs {
        let (theirs, ours) = (bench.parallel(line), bench.rpar(line));
        for (name, (out, exit), found) in [("parallel", parallel, &theirs), ("rpar", rpar, &ours)] {
            if (found.0.as_slice(), found.1) != (out.as_bytes(), Some(*exit)) {
                wrong += &format!(
                    "{line}\n  ({why})\n  {name}, expected {exit} {out:?}, found: {}\n",
                    shown(found)
                );
            }
        }
        assert_ne!((&theirs.0, theirs.1), (&ours.0, ours.1), "{line}: no difference any more");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
