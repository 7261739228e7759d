//! Where a test's cluster is: a directory, a transport, a site that grants at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rpar_core::connection::ConnectionFile;
use rpar_core::controller::ControllerConfig;
use rpar_core::error::BackendError;
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::profile::Policy;
use rpar_core::resources::Resources;
use rpar_core::scheduler::{
    AllocationPhase, AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo,
};
use rpar_core::task::{Failure, Function, FunctionKind};
use rpar_core::transport::{Endpoint, Transport};
use rpar_core::wire::{ControllerStatus, Registration};
use rpar_runtime::client::{Client, Defined};
use rpar_runtime::controller::{ControllerError, ControllerSetup, serve};
use rpar_runtime::engine::{self, Connection, EngineError, EngineSetup, PythonSettings};
use rpar_runtime::files::{CLIENT_FILE, CONTROLLER_FILE, ENGINE_FILE, read_connection};
use rpar_runtime::native::NativeFunctions;
use rpar_transports::{Mem, Tcp};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than anything takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a result of the function `big` is: it still travels within its batch.
pub(super) const BIG_BYTES: usize = 200 << 10;

/// How long a result of the function `huge` is: it is pulled part by part.
pub(super) const HUGE_BYTES: usize = 20 << 20;

/// When a wait has lasted too long.
pub(super) fn deadline() -> Option<Instant> {
    Some(Instant::now() + PATIENCE)
}

/// Waits until `condition` holds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Grants one allocation at once, and takes it back when asked to.
#[derive(Debug, Default)]
pub(super) struct Granting {
    ended: Mutex<bool>,
}

#[async_trait]
impl Scheduler for Granting {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            name: "granting".to_owned(),
            queued: false,
            remote_pilot: false,
            walltime: false,
            arrays: false,
        }
    }

    fn preview(&self, _: &AllocationRequest) -> Result<JobScript, BackendError> {
        Ok(JobScript { argv: Vec::new(), text: String::new() })
    }

    async fn submit(&self, _: &AllocationRequest) -> Result<AllocationId, BackendError> {
        Ok("1".into())
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        let phase =
            if *self.ended.lock().unwrap() { AllocationPhase::Ended } else { AllocationPhase::Running };
        Ok(ids.iter().map(|id| (id.clone(), AllocationState::new(phase.clone()))).collect())
    }

    async fn cancel(&self, _: &[AllocationId]) -> Result<(), BackendError> {
        *self.ended.lock().unwrap() = true;
        Ok(())
    }

    async fn find(&self, _: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        Ok(Vec::new())
    }

    async fn nodes(&self, _: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        Ok(Vec::new())
    }
}

/// A cluster.
#[derive(Debug)]
pub(super) struct Place {
    directory: TempDir,
    pub(super) transport: Arc<dyn Transport>,
    site: Arc<Granting>,
    controller: JoinHandle<Result<(), ControllerError>>,
}

/// An engine host of a cluster.
#[derive(Debug)]
pub(super) struct Host {
    kill: oneshot::Sender<()>,
    thread: JoinHandle<Option<Result<(), EngineError>>>,
}

impl Place {
    /// Over TCP on this machine.
    pub(super) fn tcp() -> Self {
        Self::start(Arc::new(Tcp::default()), "tcp://127.0.0.1:0", false)
    }

    /// Within this process.
    pub(super) fn mem() -> Self {
        Self::start(Arc::new(Mem::new()), "mem://0", false)
    }

    /// A throw-away cluster: it ends with its first client.
    pub(super) fn ephemeral() -> Self {
        Self::start(Arc::new(Tcp::default()), "tcp://127.0.0.1:0", true)
    }

    fn start(transport: Arc<dyn Transport>, listen: &str, ephemeral: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let site = Arc::new(Granting::default());
        let setup = ControllerSetup {
            config: ControllerConfig { ephemeral, ..config(directory.path()) },
            cluster: "test/default".to_owned(),
            scheduler: site.clone(),
            transport: Arc::clone(&transport),
            listen: vec![Endpoint(listen.to_owned())],
            directory: directory.path().to_owned(),
        };
        let controller = std::thread::spawn(move || runtime().block_on(serve(setup)));
        let record = directory.path().join(CONTROLLER_FILE);
        until("the controller listens", || record.exists() || controller.is_finished());
        Place { directory, transport, site, controller }
    }

    /// A file of the cluster's directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What clients read.
    pub(super) fn connection(&self) -> ConnectionFile {
        read_connection(&self.file(CLIENT_FILE)).unwrap()
    }

    /// A client of its own link.
    pub(super) fn client(&self) -> Client {
        Client::connect(&self.connection(), Arc::clone(&self.transport)).unwrap()
    }

    /// Starts an engine host.
    pub(super) fn host(&self, node: &str, engines: u32) -> Host {
        self.host_knowing(node, engines, functions())
    }

    /// Starts an engine host with Rust functions of its own.
    pub(super) fn host_knowing(&self, node: &str, engines: u32, native: NativeFunctions) -> Host {
        self.host_with(node, engines, native, &[])
    }

    /// Starts an engine host with labels too; it has four cores.
    pub(super) fn host_with(
        &self,
        node: &str,
        engines: u32,
        native: NativeFunctions,
        labels: &[&str],
    ) -> Host {
        let setup = EngineSetup {
            connection: Connection::File(self.file(ENGINE_FILE)),
            transport: Arc::clone(&self.transport),
            registration: Registration {
                node: node.to_owned(),
                engines,
                pid: std::process::id(),
                allocation: Some("1".into()),
                element: None,
                labels: labels.iter().copied().map(str::to_owned).collect(),
                resources: Resources { cpus: 4, ..Resources::default() },
            },
            native,
            python: PythonSettings { executable: None },
            gpus: Vec::new(),
            cores: engines,
            lost_after: Duration::from_secs(20),
            give_up_after: Duration::from_secs(5),
        };
        let (kill, killed) = oneshot::channel();
        let run = move || {
            let runtime = runtime();
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = engine::serve(setup) => Some(ended),
                    _ = killed => None,
                }
            });
            runtime.shutdown_background();
            ended
        };
        Host { kill, thread: std::thread::spawn(run) }
    }

    /// Waits for the controller's end; its allocation was given back by then.
    pub(super) fn ended(self) -> (TempDir, Result<(), ControllerError>) {
        until("the controller ends", || self.controller.is_finished());
        assert!(*self.site.ended.lock().unwrap(), "the allocation was not cancelled");
        (self.directory, self.controller.join().unwrap())
    }
}

impl Host {
    /// Ends it as a lost node would: without a word.
    pub(super) fn kill(self) {
        drop(self.kill);
        assert!(self.thread.join().unwrap().is_none());
    }

    /// Waits for its end in good order.
    pub(super) fn ended(self) -> Result<(), EngineError> {
        until("the engine host ends", || self.thread.is_finished());
        self.thread.join().unwrap().unwrap()
    }
}

/// Waits until so many engines are there.
pub(super) fn await_engines(client: &Client, engines: usize) {
    let start = Instant::now();
    let mut after = None;
    loop {
        let status = client.status(after, PATIENCE).unwrap();
        if status.engines.len() == engines {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{status:?}");
        after = Some(status.version);
    }
}

/// A Rust function of the test's engines.
pub(super) fn native(name: &'static str) -> Arc<Defined> {
    Defined::new(Function { kind: FunctionKind::Native, body: name.as_bytes().into() })
}

fn named(path: &Bytes) -> &Path {
    Path::new(std::str::from_utf8(path).unwrap())
}

fn functions() -> NativeFunctions {
    let mut functions = NativeFunctions::new();
    functions.add("echo", |argument| Ok(argument.clone()));
    functions.add("nap", |argument| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(argument.clone())
    });
    functions.add("gate", |path| {
        until("the gate opens", || named(path).exists());
        Ok(Bytes::new())
    });
    functions.add("once", |path| match std::fs::File::create_new(named(path)) {
        Ok(_) => Ok(path.clone()),
        Err(error) => Err(Failure::new(format!("this has run before: {error}"))),
    });
    functions.add("big", |_| Ok(vec![7; BIG_BYTES].into()));
    functions.add("huge", |_| Ok(vec![7; HUGE_BYTES].into()));
    functions.add("fail", |argument| {
        Err(Failure::new(format!("cannot do {}", String::from_utf8_lossy(argument))))
    });
    functions
}

fn config(directory: &Path) -> ControllerConfig {
    ControllerConfig {
        epoch_micros: 0,
        identity: ControllerStatus {
            cluster: "test/default".to_owned(),
            host: "here".to_owned(),
            ..Default::default()
        },
        tag: "rpar-test".into(),
        requests: vec![AllocationRequest {
            tag: "rpar-test".into(),
            nodes: 2,
            array: false,
            ppn: 2,
            walltime: None,
            queue: None,
            account: None,
            pilot: Vec::new(),
            setup: Vec::new(),
            directory: directory.to_owned(),
            script: None,
        }],
        engines_wanted: 4,
        heartbeat: Duration::from_secs(1),
        lost_after: Duration::from_secs(20),
        poll_every: Duration::from_millis(100),
        queue_ahead: Duration::from_millis(20),
        policy: Policy::default(),
        seed: 1,
        attempts_limit: 5,
        submit_window_bytes: 64 << 20,
        result_window_bytes: rpar_core::wire::RESULT_WINDOW_BYTES,
        result_bytes: 256 << 20,
        ephemeral: false,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
