//! A cluster of this program's own processes: a controller, and one engine host with two engines that know `nothing`.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_backends::local;
use rpar_core::controller::ControllerConfig;
use rpar_core::id::ClusterTag;
use rpar_core::profile::Policy;
use rpar_core::task::{Arguments, CommandSpec, Function, FunctionKind, TaskOptions, TaskStatus};
use rpar_core::transport::{Endpoint, Transport};
use rpar_core::wire::{ControllerStatus, Registration};
use rpar_runtime::client::{Client, Defined};
use rpar_runtime::controller::ControllerSetup;
use rpar_runtime::engine::{EngineSetup, PythonSettings};
use rpar_runtime::native::NativeFunctions;
use rpar_transports::{Tcp, TcpConfig};

use crate::pairs::rate;
use crate::role::Part;

/// The engines of every row.
const ENGINES: u32 = 2;

/// What the cluster calls itself.
const NAME: &str = "bench/default";

/// How long the cluster may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster and a client of it.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    submitted: Cell<u64>,
    _parts: [Part; 2],
    _directory: tempfile::TempDir,
}

impl Cluster {
    /// Starts the processes and waits until both engines are registered.
    ///
    /// # Errors
    /// When they do not come up in time.
    pub fn start() -> io::Result<Cluster> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().to_str().ok_or(io::ErrorKind::InvalidInput)?;
        let controller = Part::start("controller", &[path])?;
        let engines = Part::start("engines", &[path])?;
        let file = directory.path().join("client.toml");
        let deadline = Instant::now() + PATIENCE;
        while !file.exists() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let connection = rpar_runtime::files::read_connection(&file).map_err(io::Error::other)?;
        let client = Client::connect(&connection, tcp()).map_err(io::Error::other)?;
        let mut seen = None;
        loop {
            let status = client.status(seen, PATIENCE).map_err(io::Error::other)?;
            if status.engines.len() == ENGINES as usize {
                break;
            }
            seen = Some(status.version);
        }
        Ok(Cluster { client, submitted: Cell::new(0), _parts: [controller, engines], _directory: directory })
    }

    /// Tasks a second of a Rust function that does nothing, submitted one by one.
    ///
    /// # Errors
    /// When a task fails.
    pub fn functions_per_second(&self, count: u64) -> io::Result<f64> {
        let function = Function { kind: FunctionKind::Native, body: Bytes::from_static(b"nothing") };
        self.tasks_per_second(count, function, Bytes::new())
    }

    /// Commands a second of `/bin/true`, output captured.
    ///
    /// # Errors
    /// When a task fails.
    pub fn commands_per_second(&self, count: u64) -> io::Result<f64> {
        let spec =
            CommandSpec { script: "/bin/true".into(), workdir: "/".into(), environment: Default::default() };
        let mut body = Vec::new();
        ciborium::into_writer(&spec, &mut body).map_err(io::Error::other)?;
        let function = Function { kind: FunctionKind::Command, body: body.into() };
        let mut argument = BytesMut::new();
        Arguments::default().encode(&mut argument);
        self.tasks_per_second(count, function, argument.freeze())
    }

    fn tasks_per_second(&self, count: u64, function: Function, argument: Bytes) -> io::Result<f64> {
        let (function, options) = (Defined::new(function), Arc::new(TaskOptions::default()));
        let start = Instant::now();
        let group = self.client.group();
        for _ in 0..count {
            self.client.submit(&group, &function, &options, argument.clone());
        }
        group.wait_all(None);
        let took = start.elapsed();
        for index in 0..count as usize {
            match group.wait(index, None) {
                Some(outcome) if outcome.status == TaskStatus::Ok => (),
                other => return Err(io::Error::other(format!("task {index} ended as {other:?}"))),
            }
        }
        self.submitted.set(self.submitted.get() + count);
        let status = self.client.status(None, PATIENCE).map_err(io::Error::other)?;
        let ran = status.engines.iter().map(|engine| engine.completed).sum::<u64>();
        if ran != self.submitted.get() {
            return Err(io::Error::other(format!("{ran} tasks ran, not {}", self.submitted.get())));
        }
        Ok(rate(count, took))
    }
}

/// Plays the controller.
///
/// # Errors
/// When it cannot serve.
pub fn controller(directory: &str) -> io::Result<()> {
    let identity = ControllerStatus { cluster: NAME.into(), ..Default::default() };
    let config = ControllerConfig {
        epoch_micros: 0,
        identity,
        tag: ClusterTag::from("rpar-bench"),
        requests: Vec::new(),
        engines_wanted: ENGINES,
        heartbeat: Duration::from_secs(5),
        lost_after: Duration::from_secs(30),
        poll_every: Duration::from_secs(5),
        queue_ahead: Duration::from_millis(10),
        policy: Policy::default(),
        seed: 1,
        attempts_limit: 3,
        submit_window_bytes: 256 << 20,
        result_window_bytes: rpar_core::wire::RESULT_WINDOW_BYTES,
        result_bytes: 256 << 20,
        ephemeral: false,
    };
    let directory = PathBuf::from(directory);
    let setup = ControllerSetup {
        config,
        cluster: NAME.into(),
        scheduler: Arc::new(local::Local::new(local::Config::default())),
        transport: tcp(),
        listen: vec![Endpoint("tcp://127.0.0.1:0".into())],
        directory,
    };
    run(rpar_runtime::controller::serve(setup))
}

/// Plays the engine host.
///
/// # Errors
/// When it cannot serve.
pub fn engines(directory: &str) -> io::Result<()> {
    let mut native = NativeFunctions::new();
    native.add("nothing", |_| Ok(Bytes::new()));
    let registration = Registration {
        node: "bench".into(),
        engines: ENGINES,
        pid: std::process::id(),
        allocation: None,
        ..Registration::default()
    };
    let setup = EngineSetup {
        connection: Path::new(directory).join("engine.toml"),
        transport: tcp(),
        registration,
        native,
        python: PythonSettings::default(),
        gpus: Vec::new(),
        cores: ENGINES,
        lost_after: Duration::from_secs(20),
        give_up_after: Duration::from_secs(1),
    };
    run(rpar_runtime::engine::serve(setup))
}

fn tcp() -> Arc<dyn Transport> {
    Arc::new(Tcp::new(TcpConfig::default()))
}

fn run<E: std::error::Error + Send + Sync + 'static>(
    future: impl Future<Output = Result<(), E>>,
) -> io::Result<()> {
    let ended = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future);
    if let Err(error) = &ended {
        // the last word of a part that is killed with its owner otherwise
        let _ = writeln!(io::stderr(), "{error}");
    }
    ended.map_err(io::Error::other)
}
