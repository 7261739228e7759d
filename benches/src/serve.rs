//! The processes of a cluster, played by this program: a controller, an engine host, and very many engine hosts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use rpar_backends::local;
use rpar_core::controller::ControllerConfig;
use rpar_core::id::ClusterTag;
use rpar_core::profile::Policy;
use rpar_core::transport::{Endpoint, Transport};
use rpar_core::wire::{ControllerStatus, Registration};
use rpar_runtime::controller::ControllerSetup;
use rpar_runtime::engine::{Connection, EngineSetup, PythonSettings};
use rpar_runtime::native::NativeFunctions;
use rpar_transports::{Tcp, TcpConfig};
use tokio::task::JoinSet;

/// The engines of the one engine host.
pub(crate) const ENGINES: u32 = 2;

/// What the cluster calls itself.
const NAME: &str = "bench/default";

/// The function that does nothing.
pub(crate) const NOTHING: &str = "nothing";

/// The function whose result is [`PIECE_BYTES`] long.
pub(crate) const PIECE: &str = "piece";
pub(crate) const PIECE_BYTES: usize = 64 << 20;

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
        policy: Policy::default(),
        seed: 1,
        queue_ahead: Duration::from_millis(10),
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
    run(rpar_runtime::engine::serve(host(directory, "bench".into(), ENGINES)))
}

/// Plays `count` engine hosts of one engine each, in this one process, until the first of them ends.
///
/// # Errors
/// When one cannot serve.
pub fn hosts(directory: &str, count: &str) -> io::Result<()> {
    let count: usize = count.parse().map_err(io::Error::other)?;
    let setups: Vec<_> = (0..count).map(|number| host(directory, format!("bench-{number}"), 1)).collect();
    run(async {
        let mut all: JoinSet<_> = setups.into_iter().map(rpar_runtime::engine::serve).collect();
        match all.join_next().await {
            Some(Ok(ended)) => ended.map_err(io::Error::other),
            _ => Err(io::Error::other("an engine host panicked")),
        }
    })
}

fn host(directory: &str, node: String, engines: u32) -> EngineSetup {
    static RESULT: LazyLock<Bytes> = LazyLock::new(|| vec![7; PIECE_BYTES].into());
    let mut native = NativeFunctions::new();
    native.add(NOTHING, |_| Ok(Bytes::new()));
    native.add(PIECE, |_| Ok(RESULT.clone()));
    let pid = std::process::id();
    EngineSetup {
        connection: Connection::File(Path::new(directory).join("engine.toml")),
        transport: tcp(),
        registration: Registration { node, engines, pid, allocation: None, ..Registration::default() },
        native,
        python: PythonSettings::default(),
        gpus: Vec::new(),
        cores: engines,
        lost_after: Duration::from_secs(20),
        give_up_after: Duration::from_secs(1),
    }
}

pub(crate) fn tcp() -> Arc<dyn Transport> {
    Arc::new(Tcp::new(TcpConfig::default()))
}

fn run<E: std::error::Error + Send + Sync + 'static>(
    process: impl Future<Output = Result<(), E>> + Send + 'static,
) -> io::Result<()> {
    let ended = rpar_runtime::run(process)?;
    if let Err(error) = &ended {
        // the last word of a part that is killed with its owner otherwise
        let _ = writeln!(io::stderr(), "{error}");
    }
    ended.map_err(io::Error::other)
}
