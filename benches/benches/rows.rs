//! Prints every row. `cargo bench -- WORD` prints those whose name contains WORD.

#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]

use std::io;

use rpar_benches::cluster::{self, Cluster};
use rpar_benches::pairs::Row;
use rpar_benches::{python, relay, role, spawn};

/// Pairs of every row.
const PAIRS: usize = 5;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [role::ROLE, "echo"] => relay::echo(),
        [role::ROLE, "relay", echo] => relay::relay(echo),
        [role::ROLE, "controller", directory] => cluster::controller(directory),
        [role::ROLE, "engines", directory] => cluster::engines(directory),
        words => rows(words.first().copied().unwrap_or_default()),
    }
}

fn rows(word: &str) -> io::Result<()> {
    type Make = fn() -> io::Result<Vec<Row>>;
    let makes: [(&str, Make); 3] =
        [("functions", functions), ("commands", commands), ("python", python_calls)];
    for (_, make) in makes.iter().filter(|(name, _)| name.contains(word)) {
        for row in make()? {
            println!("{row}\n");
        }
    }
    Ok(())
}

fn functions() -> io::Result<Vec<Row>> {
    let (cluster, relay) = (Cluster::start()?, relay::Relay::start()?);
    Ok(vec![Row::measure(
        "functions: 1,000,000 no-op Rust functions, submitted one by one",
        "round trips of 100 bytes through a bare TLS relay",
        "/s",
        0.10,
        PAIRS,
        || cluster.functions_per_second(1_000_000),
        || relay.round_trips_per_second(3_000_000),
    )?])
}

fn commands() -> io::Result<Vec<Row>> {
    let cluster = Cluster::start()?;
    Ok(vec![Row::measure(
        "commands: /bin/true, output captured",
        "posix_spawn and wait of /bin/true, two at a time",
        "/s",
        0.8,
        PAIRS,
        || cluster.commands_per_second(6_000),
        || spawn::commands_per_second(6_000, 2),
    )?])
}

fn python_calls() -> io::Result<Vec<Row>> {
    let rates = python::rates(PAIRS)?;
    let row = |limit: &str, goal, pairs| Row {
        name: "python: no-op Python function, map with chunksize 1".into(),
        limit: limit.into(),
        unit: "/s".into(),
        goal,
        pairs,
    };
    Ok(vec![
        row("ipyparallel", 50.0, rates.iter().map(|rate| (rate.0, rate.1)).collect()),
        row("multiprocessing.Pool.imap", 4.0, rates.iter().map(|rate| (rate.0, rate.2)).collect()),
    ])
}
