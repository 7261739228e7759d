//! A cluster of very many engine hosts, as `rpar start` starts it.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::Client;

use crate::cluster::await_engines;
use crate::process::Process;
use crate::role::Part;
use crate::serve::tcp;

/// A running cluster of the profile `local` with one engine on each of many pretended nodes.
#[derive(Debug)]
pub struct Fleet {
    /// From the start of `rpar start` until all engines were registered and it had said so.
    pub ready: Duration,
    client: Client,
    status: ClusterStatus,
    home: tempfile::TempDir,
}

impl Fleet {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(nodes: usize) -> io::Result<Fleet> {
        let home = tempfile::tempdir()?;
        let start = Instant::now();
        rpar(&home, &["start", "--nodes", &nodes.to_string(), "--ppn", "1"])?;
        let ready = start.elapsed();
        let file = home.path().join("rpar/local/default/client.toml");
        let connection = rpar_runtime::files::read_connection(&file).map_err(io::Error::other)?;
        let client = Client::connect(&connection, tcp()).map_err(io::Error::other)?;
        let status = await_engines(&client, nodes)?;
        Ok(Fleet { ready, client, status, home })
    }

    /// Its engine hosts.
    pub fn hosts(&self) -> impl Iterator<Item = Process> + '_ {
        self.status.engines.iter().map(|engine| Process(engine.pid))
    }

    /// The processor time that all its processes took.
    ///
    /// # Errors
    /// When one of them is gone.
    pub fn cpu(&self) -> io::Result<Duration> {
        Process::of_session(self.status.controller.pid)?.into_iter().map(Process::cpu).sum()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When something of it is left.
    pub fn stop(self) -> io::Result<()> {
        drop(self.client);
        rpar(&self.home, &["stop"])
    }
}

fn rpar(home: &tempfile::TempDir, words: &[&str]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("rpar").args(words).env("XDG_STATE_HOME", home.path()).stdin(Stdio::null());
    let ended = command.output()?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&ended.stderr).into_owned())),
    }
}

/// The limit: so many processes of this program, started one after the other by one process that then waits for all.
///
/// # Errors
/// When one cannot be started.
pub fn processes(count: usize) -> io::Result<Duration> {
    let start = Instant::now();
    let mut parts: Vec<Part> = (0..count).map(|_| Part::start("said", &[])).collect::<io::Result<_>>()?;
    parts.iter_mut().try_for_each(|part| part.line().map(drop))?;
    Ok(start.elapsed())
}
