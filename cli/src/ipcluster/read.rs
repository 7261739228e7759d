//! Runs the file, which is a Python program, and takes what it sets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rpar_backends::Exec;
use rpar_core::runner::{Invocation, RunError, Runner};
use serde_json::Value;
use thiserror::Error;

const SCRIPT: &str = include_str!("read.py");

/// How long the file may take: it sets a few values, perhaps from a slow file system.
const LIMIT: Duration = Duration::from_secs(60);

/// A configuration file of ipcluster could not be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// It is not there, or no file.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No interpreter could be run.
    #[error("{python} cannot be run")]
    Python {
        /// The interpreter.
        python: String,
        /// Why not.
        source: RunError,
    },
    /// The file raises an exception.
    #[error("{} does not run: {said}", path.display())]
    Raises {
        /// The file.
        path: PathBuf,
        /// The exception.
        said: String,
    },
    /// What it sets cannot be told.
    #[error("{} sets what cannot be read", path.display())]
    Answer {
        /// The file.
        path: PathBuf,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
}

/// What the file sets, by `Class.trait`. Runs the file, as ipcluster does.
///
/// # Errors
/// When the file, or the interpreter, does not run.
pub(crate) async fn read(path: &Path, python: &str) -> Result<BTreeMap<String, Value>, ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    let file = std::fs::canonicalize(path).map_err(failed)?;
    let argv = vec![python.to_owned(), "-c".to_owned(), SCRIPT.to_owned(), file.display().to_string()];
    let invocation = Invocation { argv, directory: None, stdin: None, limit: LIMIT };
    let answer = Exec
        .run(&invocation)
        .await
        .map_err(|source| ReadError::Python { python: python.to_owned(), source })?;
    if answer.exit != Some(0) {
        let said = answer.stderr.lines().last().unwrap_or("it was killed").to_owned();
        return Err(ReadError::Raises { path: path.to_owned(), said });
    }
    serde_json::from_str(&answer.stdout).map_err(|source| ReadError::Answer { path: path.to_owned(), source })
}
