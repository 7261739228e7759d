//! The rows, each by itself.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::fleet::{self, Fleet};
use crate::handshakes::Porter;
use crate::process::Process;
use crate::relay::{Far, Relay};
use crate::row::{Figure, Goal, Row, pairs, rate};
use crate::serve::PIECE_BYTES;
use crate::{python, spawn, throw_away};

/// Pairs of every row.
const PAIRS: usize = 5;

/// Makes a row.
pub type Make = fn() -> io::Result<Row>;

/// All rows, by name.
pub const ROWS: [(&str, Make); 9] = [
    ("functions", functions),
    ("latency", latency),
    ("results", results),
    ("queue", queue),
    ("commands", commands),
    ("throw-away", throw_away_cluster),
    ("processes", processes),
    ("hosts", hosts),
    ("python", python_calls),
];

fn functions() -> io::Result<Row> {
    let (cluster, relay) = (Cluster::start()?, Relay::start(Far::Echo)?);
    let pairs =
        pairs(PAIRS, || cluster.functions_per_second(1_000_000), || relay.round_trips_per_second(3_000_000))?;
    let limit = "round trips of 100 bytes through a bare TLS relay";
    Ok(Row {
        name: "functions: 1,000,000 no-op Rust functions, submitted one by one".into(),
        figures: vec![Figure::Pairs { limit, unit: "/s", goal: Goal::AtLeast(0.25), pairs }],
    })
}

fn latency() -> io::Result<Row> {
    const TRIPS: usize = 2_000;
    let (cluster, relay) = (Cluster::start()?, Relay::start(Far::Echo)?);
    let pairs = pairs(PAIRS, || cluster.round_trip_micros(TRIPS), || relay.round_trip_micros(TRIPS))?;
    let limit = "100 bytes through a bare TLS relay and back, one message at a time";
    Ok(Row {
        name:
            "latency: one no-op Rust function at a time, from its submission to its result; medians of 2,000"
                .into(),
        figures: vec![Figure::Pairs { limit, unit: "us", goal: Goal::AtMost(1.5), pairs }],
    })
}

fn results() -> io::Result<Row> {
    const PIECES: u64 = 16;
    const MB: f64 = 1e6;
    let (cluster, relay) = (Cluster::start()?, Relay::start(Far::Source)?);
    let controller = cluster.controller();
    let (before, _) = controller.memory()?;
    let pairs = pairs(
        PAIRS,
        || Ok(cluster.result_bytes_per_second(PIECES)? / MB),
        || Ok(relay.bytes_per_second(PIECES * PIECE_BYTES as u64)? / MB),
    )?;
    let grown = (controller.memory()?.1 - before) / f64::from(1 << 20);
    let limit = "1 GiB through a bare TLS relay";
    Ok(Row {
        name: "results: 1 GiB of results in pieces of 64 MiB".into(),
        figures: vec![
            Figure::Pairs { limit, unit: "MB/s", goal: Goal::AtLeast(0.8), pairs },
            Figure::Alone {
                what: "controller",
                unit: "MiB more at most than before",
                goal: Goal::AtMost(128.0),
                values: vec![grown],
            },
        ],
    })
}

/// What tasks cost that are queued before there are engines, and then run.
struct Queued {
    /// Memory of the controller for each.
    bytes: f64,
    /// Processor time of the controller, and of controller, engine host and client.
    controller: f64,
    all: f64,
}

fn queued(count: u64) -> io::Result<Queued> {
    let mut cluster = Cluster::without_engines()?;
    let controller = cluster.controller();
    let (memory, own) = (controller.memory()?.0, Process::own().cpu()?);
    let before = controller.cpu()?;
    let group = cluster.queue(count)?;
    let bytes = (controller.memory()?.0 - memory) / count as f64;
    cluster.add("engines", &[], 2)?;
    cluster.finish(&group)?;
    let all: Duration = cluster.processes().into_iter().map(Process::cpu).sum::<io::Result<_>>()?;
    Ok(Queued {
        bytes,
        controller: (controller.cpu()? - before).as_secs_f64(),
        all: (all - before - own).as_secs_f64(),
    })
}

fn queue() -> io::Result<Row> {
    const MANY: u64 = 1_000_000;
    let (mut bytes, mut controller, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (few, many) = (queued(MANY / 10)?, queued(MANY)?);
        bytes.push(many.bytes);
        controller.push(many.controller / few.controller);
        all.push(many.all / few.all);
    }
    let times = |what, values| Figure::Alone {
        what,
        unit: "times the processor seconds of a tenth of the tasks",
        goal: Goal::AtMost(11.0),
        values,
    };
    Ok(Row {
        name: "queue: 1,000,000 no-op Rust functions, queued at the controller before the engines come, then run".into(),
        figures: vec![
            Figure::Alone {
                what: "memory",
                unit: "bytes of the controller for each (HyperQueue 300 to 366, Dask 2,800, ipyparallel 12,800)",
                goal: Goal::AtMost(256.0),
                values: bytes,
            },
            times("controller", controller),
            times("all", all),
        ],
    })
}

fn commands() -> io::Result<Row> {
    let cluster = Cluster::start()?;
    let pairs = pairs(PAIRS, || cluster.commands_per_second(6_000), || spawn::commands_per_second(6_000, 2))?;
    let limit = "posix_spawn and wait of /bin/true, two at a time";
    Ok(Row {
        name: "commands: /bin/true, output captured".into(),
        figures: vec![Figure::Pairs { limit, unit: "/s", goal: Goal::AtLeast(0.8), pairs }],
    })
}

fn throw_away_cluster() -> io::Result<Row> {
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let mut ends = Vec::new();
    let pairs = pairs(
        2 * PAIRS,
        || {
            let took = throw_away::map()?;
            ends.push(millis(took.end));
            Ok(millis(took.first))
        },
        || Ok(millis(throw_away::processes()?.first)),
    )?;
    let first = pairs.iter().map(|pair| pair.0).collect();
    let limit = "as many processes of this program and shells that start one another, and nothing more";
    Ok(Row {
        name: "throw-away: `rpar map -n 2 'echo {}' ::: 1`, from its start to the result on stdout".into(),
        figures: vec![
            Figure::Pairs { limit, unit: "ms", goal: Goal::Any, pairs },
            Figure::Alone {
                what: "result",
                unit: "ms (HyperQueue 100)",
                goal: Goal::AtMost(100.0),
                values: first,
            },
            Figure::Alone { what: "end", unit: "ms until nothing is left", goal: Goal::Any, values: ends },
        ],
    })
}

fn processes() -> io::Result<Row> {
    const NODES: usize = 64;
    const IDLE: Duration = Duration::from_secs(10);
    let (mut megabytes, mut idle) = (Vec::new(), Vec::new());
    let pairs = pairs(
        PAIRS,
        || {
            let fleet = Fleet::start(NODES)?;
            let ready = fleet.ready.as_secs_f64();
            let private = fleet.hosts().map(|host| host.private_bytes().map(|bytes| bytes / 1e6));
            megabytes.extend(private.collect::<io::Result<Vec<_>>>()?);
            if idle.is_empty() {
                let before = fleet.cpu()?;
                sleep(IDLE);
                idle.push((fleet.cpu()? - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0);
            }
            fleet.stop()?;
            Ok(ready)
        },
        || Ok(fleet::processes(NODES)?.as_secs_f64()),
    )?;
    let ready = pairs.iter().map(|pair| pair.0).collect();
    let limit = "64 processes of this program that say one line";
    Ok(Row {
        name: "processes: `rpar start --nodes 64 --ppn 1`, from its start until all 64 engine hosts are registered".into(),
        figures: vec![
            Figure::Pairs { limit, unit: "s", goal: Goal::Any, pairs },
            Figure::Alone { what: "ready", unit: "s", goal: Goal::AtMost(0.6), values: ready },
            Figure::Alone {
                what: "memory",
                unit: "MB of each engine host's own",
                goal: Goal::AtMost(4.0),
                values: megabytes,
            },
            Figure::Alone {
                what: "idle",
                unit: "% of a core, all processes of the cluster over 10 s",
                goal: Goal::AtMost(0.5),
                values: idle,
            },
        ],
    })
}

fn hosts() -> io::Result<Row> {
    const HOSTS: usize = 1_000;
    const TASKS: u64 = 100_000;
    const KB: f64 = 1e3;
    let (mut each, mut controller, mut took, mut least, mut most) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let porter = Porter::start()?;
    let pairs = pairs(
        2,
        || {
            let mut cluster = Cluster::without_engines()?;
            let before = cluster.controller().memory()?.0;
            let start = std::time::Instant::now();
            let process = cluster.add("hosts", &[&HOSTS.to_string()], HOSTS)?;
            let registered = rate(HOSTS as u64, start.elapsed());
            took.push(TASKS as f64 / cluster.functions_per_second(TASKS)? * 1e3);
            each.push(process.memory()?.0 / KB / HOSTS as f64);
            controller.push((cluster.controller().memory()?.0 - before) / KB / HOSTS as f64);
            let ran: Vec<f64> =
                cluster.status()?.engines.iter().map(|engine| engine.completed as f64).collect();
            least.push(ran.iter().copied().fold(f64::MAX, f64::min));
            most.push(ran.into_iter().fold(0.0, f64::max));
            Ok(registered)
        },
        || porter.links_per_second(HOSTS as u64),
    )?;
    let alone = |what, unit, values| Figure::Alone { what, unit, goal: Goal::Any, values };
    Ok(Row {
        name: "hosts: 1,000 engine hosts of one process register over tcp, then run 100,000 no-op Rust functions".into(),
        figures: vec![
            Figure::Pairs { limit: "links by bare TLS handshakes", unit: "/s", goal: Goal::Any, pairs },
            alone("tasks", "ms for all of them", took),
            alone("spread", "tasks at the engine that ran the fewest", least),
            alone("", "at the one that ran the most", most),
            alone("memory", "kB of an engine host", each),
            alone("", "kB of the controller for each", controller),
        ],
    })
}

fn python_calls() -> io::Result<Row> {
    let rates = python::rates(PAIRS)?;
    let figure = |limit, goal, pairs| Figure::Pairs { limit, unit: "/s", goal: Goal::AtLeast(goal), pairs };
    Ok(Row {
        name: "python: no-op Python function, map with chunksize 1".into(),
        figures: vec![
            figure("ipyparallel", 50.0, rates.iter().map(|rate| (rate.0, rate.1)).collect()),
            figure("multiprocessing.Pool.imap", 4.0, rates.iter().map(|rate| (rate.0, rate.2)).collect()),
        ],
    })
}
