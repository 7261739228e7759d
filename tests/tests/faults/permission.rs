//! Files and directories that the user may not read or write. Root may do everything, so root's tests run rpar as nobody.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::place::{Place, Ran};

/// Nobody (passwd(5) of Debian), and a user that nothing else belongs to.
const NOBODY: u32 = 65534;
const ANOTHER: u32 = 64711;

/// A place of a user without privileges.
struct Ordinary {
    place: Place,
    program: PathBuf,
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Ordinary {
    fn new() -> Self {
        let place = Place::new();
        let mut program = rpar_tests::binary::rpar();
        if is_root() {
            // others may not reach where it was built
            let reachable = place.home.path().join("rpar");
            fs::copy(&program, &reachable).expect("a copy of the program");
            program = reachable;
            give(place.home.path());
        }
        Ordinary { place, program }
    }

    fn rpar(&self, words: &[&str]) -> Ran {
        let like = self.place.home.command();
        let mut command = Command::new(&self.program);
        command.env_clear().current_dir(self.place.home.work());
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::of(command.args(["--profile", "quick"]).args(words).output().expect("rpar starts"))
    }

    fn start(&self) {
        self.rpar(&["start", "--nodes", "1", "--ppn", "1"]).says(0, &["is ready"]);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.home.state().join("quick/default").join(name)
    }

    fn stop(&self) {
        self.rpar(&["stop"]).says(0, &["is stopped"]);
        self.place.nothing_left();
    }
}

/// Hands a directory over, with all that is in it.
fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("root gives it away");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            give(&entry.path());
        }
        chown(entry.path(), Some(NOBODY), Some(NOBODY)).expect("root gives it away");
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a new mode");
}

#[test]
fn a_place_that_may_not_be_written_is_named_with_what_to_do() {
    let user = Ordinary::new();
    let (local, temporary) = (user.place.home.path().join(".local"), user.place.home.temporary());
    fs::create_dir(&local).expect("a directory");
    allow(&local, 0o555);
    user.rpar(&["start"])
        .says(117, &[".local/state", "Permission denied", "$XDG_STATE_HOME", "[storage] dir"]);
    user.rpar(&["map", "echo {}", ":::", "1"]).says(0, &[]);
    allow(&temporary, 0o555);
    user.rpar(&["map", "echo {}", ":::", "1"]).says(117, &["/tmp/", "Permission denied", "$TMPDIR"]);
    allow(&temporary, 0o755);
    user.place.nothing_left();
}

#[test]
fn a_directory_that_cannot_be_removed_does_not_keep_the_cluster_alive() {
    let user = Ordinary::new();
    user.start();
    let parent = user.place.home.state().join("quick");
    allow(&parent, 0o555);
    user.rpar(&["stop"])
        .says(117, &["without a lock", "could not remove", "quick/default: Permission denied"]);
    user.place.no_process_left();
    allow(&parent, 0o755);
    user.stop();
}

#[test]
fn a_connection_file_that_others_may_read_is_told() {
    let user = Ordinary::new();
    user.start();
    let file = user.file("client.toml");
    allow(&file, 0o644);
    let map = user.rpar(&["map", "echo {}", ":::", "1"]);
    map.says(
        0,
        &["client.toml", "warning: others may read the secret", "chmod 600", "stopping and starting"],
    );
    assert_eq!(map.out, "1\n");
    allow(&file, 0o000);
    user.rpar(&["status"]).says(117, &["could not read", "client.toml: Permission denied"]);
    user.rpar(&["stop"]).says(0, &["client.toml: Permission denied", "ending its process", "is stopped"]);
    user.place.nothing_left();
}

#[test]
fn a_connection_file_of_somebody_else_is_not_trusted() {
    if !is_root() {
        // only root can give files away; who does not run as root has seen the rule itself in the library's own tests
        assert!(std::env::var_os("CI").is_none(), "this test needs root");
        return;
    }
    let user = Ordinary::new();
    user.start();
    let file = user.file("client.toml");
    allow(&file, 0o644);
    chown(&file, Some(ANOTHER), None).expect("root gives it away");
    user.rpar(&["status"])
        .says(117, &["client.toml belongs to another user (64711)", "which controller to trust"]);
    user.rpar(&["map", "echo {}", ":::", "1"]).says(117, &["belongs to another user"]);
    user.rpar(&["stop"]).says(0, &["belongs to another user", "ending its process", "is stopped"]);
    user.place.nothing_left();
}

#[test]
fn a_working_directory_that_may_not_be_entered_is_named_with_its_host() {
    let user = Ordinary::new();
    let locked = user.place.home.work().join("locked");
    fs::create_dir(&locked).expect("a directory");
    if is_root() {
        give(&locked);
    }
    allow(&locked, 0o000);
    for command in ["echo {}", "echo {} > there"] {
        let map = user.rpar(&["map", "--workdir", "locked", command, ":::", "1"]);
        map.says(1, &["working directory", "work/locked", "Permission denied", "--workdir"]);
        assert!(map.err.contains(&format!("on {}", rpar_runtime::files::host_name())), "{map:?}");
    }
    allow(&locked, 0o700);
}
