//! A cluster of this program's own processes, and a client of it.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::Client;

use crate::process::Process;
use crate::role::Part;
use crate::serve::{ENGINES, tcp};

/// How long the cluster may take to come up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster and a client of it.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) client: Client,
    /// How many tasks its engines were given.
    pub(crate) submitted: Cell<u64>,
    controller: Part,
    engines: Vec<Part>,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// A controller and one engine host with two engines, which are registered.
    ///
    /// # Errors
    /// When they do not come up in time.
    pub fn start() -> io::Result<Cluster> {
        let mut cluster = Cluster::without_engines()?;
        cluster.add("engines", &[], ENGINES as usize)?;
        Ok(cluster)
    }

    /// A controller that waits for engine hosts.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub fn without_engines() -> io::Result<Cluster> {
        let directory = tempfile::tempdir()?;
        let controller = Part::start("controller", &[path(directory.path())?])?;
        // the last file that a controller writes
        await_file(&directory.path().join("controller.json"))?;
        let connection = rpar_runtime::files::read_connection(&directory.path().join("client.toml"));
        let client =
            Client::connect(&connection.map_err(io::Error::other)?, tcp()).map_err(io::Error::other)?;
        Ok(Cluster { client, submitted: Cell::new(0), controller, engines: Vec::new(), directory })
    }

    /// Starts a process that plays engine hosts, and waits until so many engines are registered.
    ///
    /// # Errors
    /// When they do not come up in time.
    pub fn add(&mut self, role: &str, arguments: &[&str], engines: usize) -> io::Result<Process> {
        let part = Part::start(role, &[&[path(self.directory.path())?], arguments].concat())?;
        let process = part.process();
        self.engines.push(part);
        await_engines(&self.client, engines)?;
        Ok(process)
    }

    /// The controller's process.
    pub fn controller(&self) -> Process {
        self.controller.process()
    }

    /// The processes of the cluster, and this one, which is its client.
    pub fn processes(&self) -> Vec<Process> {
        let parts = self.engines.iter().chain([&self.controller]);
        parts.map(Part::process).chain([Process::own()]).collect()
    }

    /// The cluster as it is now.
    ///
    /// # Errors
    /// When the controller does not answer.
    pub fn status(&self) -> io::Result<ClusterStatus> {
        self.client.status(None, PATIENCE).map_err(io::Error::other)
    }
}

/// Waits until so many engines are registered.
pub(crate) fn await_engines(client: &Client, engines: usize) -> io::Result<ClusterStatus> {
    let mut seen = None;
    loop {
        let status = client.status(seen, PATIENCE).map_err(io::Error::other)?;
        if status.engines.len() >= engines {
            return Ok(status);
        }
        seen = Some(status.version);
    }
}

pub(crate) fn path(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn await_file(file: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
