//! One connection for many commands: a login costs a third of a second, and the site some work.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// ssh reads its configuration in milliseconds, from a home directory that may be slow.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection is kept after its last command: some polls of the controller.
const PERSIST_SECONDS: u32 = 60;

/// The longest that a directory of sockets may be: their names have 58 bytes, of 107 that unix(7) allows.
const DIRECTORY_BYTES: usize = 48;

/// The options that keep a connection, unless the user's configuration has its own way of that.
pub(super) async fn options(ssh: &[String], host: &str) -> Vec<String> {
    if is_configured(ssh, host).await {
        return Vec::new();
    }
    let Some(directory) = directory() else { return Vec::new() };
    let persist = format!("ControlPersist={PERSIST_SECONDS}");
    let path = format!("ControlPath={}/%C", directory.display());
    ["-o", "ControlMaster=auto", "-o", &persist, "-o", &path].map(str::to_owned).to_vec()
}

async fn is_configured(ssh: &[String], host: &str) -> bool {
    let mut command = Command::new(&ssh[0]);
    command.args(&ssh[1..]).args(["-G", "--", host]).stdin(Stdio::null()).stderr(Stdio::null());
    let Ok(Ok(output)) = timeout(LOOK_LIMIT, command.kill_on_drop(true).output()).await else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.strip_prefix("controlpath ")).any(|path| path != "none")
}

/// A directory for sockets that nobody else can put anything into; `None` if there cannot be one.
fn directory() -> Option<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("rpar"));
    [runtime, Some(PathBuf::from(format!("/tmp/rpar-ssh-{own}")))].into_iter().flatten().find(|directory| {
        let short = directory.is_absolute() && directory.as_os_str().len() <= DIRECTORY_BYTES;
        // what is there already is looked at all the same
        let _ = short.then(|| DirBuilder::new().mode(0o700).create(directory));
        let found = std::fs::symlink_metadata(directory);
        short && found.is_ok_and(|found| found.is_dir() && found.uid() == own && found.mode() & 0o077 == 0)
    })
}
