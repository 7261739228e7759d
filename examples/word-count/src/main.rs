//! Counts lines, words and bytes of files, as wc(1) does, on all engines of a cluster.
//!
//! ```text
//! cargo run --package rpar-example-word-count -- docs/*.md
//! ```
//!
//! That is this machine's own cores. The same on two nodes of a site, where the files are on a shared file system:
//!
//! ```text
//! cargo build --release --package rpar-example-word-count
//! target/release/rpar-example-word-count rpar --profile slurm start --nodes 2
//! RPAR_PROFILE=slurm target/release/rpar-example-word-count docs/*.md
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::path::{self, PathBuf};
use std::process::ExitCode;

use rpar::{Cluster, Functions};
use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// Counts one file. Runs on an engine.
fn count(path: PathBuf) -> Result<Counts, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = BufReader::new(std::fs::File::open(&path).map_err(failed)?);
    let (mut counts, mut line) = (Counts::default(), Vec::new());
    while file.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        counts.lines += u64::from(line.ends_with(b"\n"));
        counts.words += words(&line);
        counts.bytes += line.len() as u64;
        line.clear();
    }
    Ok(counts)
}

fn words(line: &[u8]) -> u64 {
    // a vertical tab parts words too, which Rust's white space of ASCII leaves out
    let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    line.split(space).filter(|word| !word.is_empty()).count() as u64
}

/// Has the engines count, and prints what they found.
fn run(cluster: Cluster) -> Result<ExitCode, Box<dyn Error>> {
    // engines run elsewhere: a relative path means nothing there
    let paths = std::env::args_os().skip(1).map(path::absolute).collect::<io::Result<Vec<_>>>()?;
    let client = cluster.client()?;
    let counted = client.load_balanced_view().map(count, paths.clone());
    let (mut out, mut total, mut exit) = (io::stdout().lock(), Counts::default(), ExitCode::SUCCESS);
    for (path, result) in paths.iter().zip(counted.iter()) {
        match result {
            Ok(counts) => {
                writeln!(out, "{}", row(counts, &path.display().to_string()))?;
                total += counts;
            }
            Err(error) => {
                writeln!(io::stderr(), "{error}")?;
                exit = ExitCode::FAILURE;
            }
        }
    }
    writeln!(out, "{}", row(total, "total"))?;
    let took = counted.elapsed().as_secs_f64();
    let speedup = counted.speedup().unwrap_or(1.0);
    writeln!(io::stderr(), "{} files in {took:.3} s, {speedup:.1} times as fast as one engine", paths.len())?;
    Ok(exit)
}

fn row(counts: Counts, name: &str) -> String {
    let Counts { lines, words, bytes } = counts;
    format!("{lines:7} {words:7} {bytes:7} {name}")
}

fn main() -> ExitCode {
    Functions::new().add("count", count).main(run)
}
