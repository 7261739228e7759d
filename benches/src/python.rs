//! Rates of Python calls, measured by `benches/python/rates.py` in one process beside the peers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Calls a second: (rpar, ipyparallel, `multiprocessing.Pool.imap`), one for each pair.
///
/// # Errors
/// When the interpreter lacks `rpar` or `ipyparallel`, or the script fails.
pub fn rates(pairs: usize) -> io::Result<Vec<(f64, f64, f64)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bin =
        std::env::var_os("RPAR_BENCH_PYTHON").map_or(root.join("target/venv/bin/python"), PathBuf::from);
    let home = tempfile::tempdir()?;
    let rpar = bin.with_file_name("rpar");
    let command = |program: &Path| {
        let mut command = Command::new(program);
        command.env("XDG_STATE_HOME", home.path()).stdin(Stdio::null());
        command
    };
    let started = command(&rpar).args(["start", "-n", "2"]).stdout(Stdio::null()).status();
    if !started.is_ok_and(|status| status.success()) {
        return Err(io::Error::other(format!("could not start a cluster with {}", rpar.display())));
    }
    let script = root.join("benches/python/rates.py");
    let printed = command(&bin).arg(script).arg(pairs.to_string()).stderr(Stdio::inherit()).output();
    command(&rpar).arg("stop").stdout(Stdio::null()).status()?;
    let printed = printed?;
    if !printed.status.success() {
        return Err(io::Error::other(format!("benches/python/rates.py ended with {}", printed.status)));
    }
    let malformed = |line: &str| io::Error::other(format!("unexpected line: {line}"));
    String::from_utf8_lossy(&printed.stdout)
        .lines()
        .map(|line| {
            let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
            match numbers.as_slice() {
                [rpar, peer, pool] => Ok((*rpar, *peer, *pool)),
                _ => Err(malformed(line)),
            }
        })
        .collect()
}
