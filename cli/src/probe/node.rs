//! `rpar probe --node`: what a node finds out, in an engine host's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_backends::Exec;
use rpar_backends::shell::SETUP_FAILED;
use rpar_core::connection::ConnectionFile;
use rpar_core::runner::{Invocation, Runner};
use rpar_core::transport::{Endpoint, Transport, TransportError};
use rpar_runtime::files::host_name;
use rpar_runtime::link::fresh_identity;
use tokio::time::timeout;

use super::talk::{Asking, SEEN_FILE};
use super::{NodeReport, PythonReport, Reach, ReachEnd, Told};

/// How long an address may take to answer, as engines give it.
const DIAL_TIME: Duration = Duration::from_secs(5);

/// How long the measurements on one link may take.
const MEASURE_TIME: Duration = Duration::from_secs(10);

/// How long Python may take to start: it may come from a slow file system.
const PYTHON_TIME: Duration = Duration::from_secs(20);

/// How long a new file is looked for: NFS remembers for up to 30 s that there was none, and a minute is all there is.
const FILE_TIME: Duration = Duration::from_secs(15);

/// How often.
const FILE_LOOK: Duration = Duration::from_millis(2);

/// What the interpreter is asked.
const QUESTION: &str =
    "import sys; print(sys.version.split()[0]); import cloudpickle; print(cloudpickle.__version__)";

/// What a node was told before it began.
pub(crate) struct Begun {
    /// The probe's directory, where the node is to see it.
    pub(crate) directory: Option<PathBuf>,
    /// Whom to dial, or why that is not known.
    pub(crate) connection: Result<ConnectionFile, String>,
    /// How.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// The Python that the profile names.
    pub(crate) python: Option<String>,
}

/// Finds out all there is, and tells it every way there is; gives the line for the output.
pub(crate) async fn node(begun: Begun) -> String {
    let Begun { directory, connection, transport, python } = begun;
    let mut report = NodeReport {
        node: ["RPAR_NODE", "SLURMD_NODENAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok())
            .unwrap_or_else(host_name),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        shares: directory.is_some(),
        setup_failed: std::env::var(SETUP_FAILED).ok(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        ..NodeReport::default()
    };
    report.unreadable = connection.as_ref().err().cloned();
    let mut link = None;
    if let (Ok(file), Some(transport)) = (&connection, transport) {
        for (reached, asking) in reach(file, &transport).await {
            report.addresses.push(reached);
            link = link.or(asking);
        }
    }
    report.python = ask_python(python).await;
    if let Some(asking) = &mut link {
        report.clock_ahead_micros = asking.clock_ahead_micros().await.ok();
        if let (Some(directory), Ok(())) = (&directory, asking.make_file().await) {
            report.file_seen_micros = look_for(&directory.join(SEEN_FILE)).await;
        }
    }
    let told = Told::Node(report);
    if let Some(asking) = &mut link {
        let _ = timeout(MEASURE_TIME, asking.tell(&told)).await;
    }
    told.leave(directory.as_deref())
}

/// Dials every address at once; measures one after the other, so that they do not disturb each other.
async fn reach(file: &ConnectionFile, transport: &Arc<dyn Transport>) -> Vec<(Reach, Option<Asking>)> {
    let mut dials = Vec::new();
    for endpoint in file.endpoints.clone() {
        let (file, transport) = (file.clone(), Arc::clone(transport));
        dials.push(tokio::spawn(async move {
            let dialled = dial(&file, &transport, &endpoint).await;
            (endpoint, dialled)
        }));
    }
    let mut found = Vec::new();
    for dial in dials {
        let Ok((endpoint, dialled)) = dial.await else { continue };
        let (end, asking) = match dialled {
            Err(end) => (end, None),
            Ok(mut asking) => match timeout(MEASURE_TIME, measure(&mut asking)).await {
                Ok(Ok(end)) => (end, Some(asking)),
                Ok(Err(error)) => (ReachEnd::Failed(error.to_string()), None),
                Err(_) => (ReachEnd::TimedOut, None),
            },
        };
        found.push((Reach { endpoint: endpoint.0, end }, asking));
    }
    found
}

async fn dial(
    file: &ConnectionFile,
    transport: &Arc<dyn Transport>,
    endpoint: &Endpoint,
) -> Result<Asking, ReachEnd> {
    let identity = fresh_identity().map_err(|error| ReachEnd::Failed(error.to_string()))?;
    let dialled = timeout(DIAL_TIME, transport.dial(&identity, endpoint, &file.controller_key)).await;
    let link = dialled.map_err(|_| ReachEnd::TimedOut)?.map_err(|error| match error {
        TransportError::Unreachable { reason, .. } if reason.contains("refused") => ReachEnd::Refused,
        TransportError::Unreachable { reason, .. }
            if reason.contains("timed out") || reason.contains("no answer") =>
        {
            ReachEnd::TimedOut
        }
        TransportError::Stranger { reason, .. } => ReachEnd::Stranger(reason),
        other => ReachEnd::Failed(other.to_string()),
    })?;
    let begun = timeout(DIAL_TIME, Asking::begin(link.io, file, &link.own, &link.peer)).await;
    begun.map_err(|_| ReachEnd::TimedOut)?.map_err(|error| ReachEnd::Stranger(error.to_string()))
}

async fn measure(asking: &mut Asking) -> std::io::Result<ReachEnd> {
    let round_trip = asking.round_trip().await?;
    Ok(ReachEnd::Reached {
        round_trip_micros: round_trip.as_micros() as u64,
        bytes_per_second: asking.bytes_per_second().await?,
    })
}

async fn ask_python(executable: Option<String>) -> PythonReport {
    let executable = executable.unwrap_or_else(|| "python3".to_owned());
    let argv = [&executable, "-c", QUESTION].map(str::to_owned).to_vec();
    let invocation = Invocation { argv, directory: None, stdin: None, limit: PYTHON_TIME };
    let mut report = PythonReport { executable, ..PythonReport::default() };
    match Exec.run(&invocation).await {
        Ok(answer) => {
            let mut lines = answer.stdout.lines().map(str::to_owned);
            (report.version, report.cloudpickle) = (lines.next(), lines.next());
            if report.version.is_none() {
                report.error = Some(answer.stderr.lines().last().unwrap_or("it said nothing").to_owned());
            }
        }
        Err(error) => report.error = Some(error.to_string()),
    }
    report
}

async fn look_for(path: &Path) -> Option<u64> {
    let begun = Instant::now();
    while !path.exists() {
        if begun.elapsed() > FILE_TIME {
            return None;
        }
        tokio::time::sleep(FILE_LOOK).await;
    }
    Some(begun.elapsed().as_micros() as u64)
}
