//! Programs that stand for those of a site.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rpar_backends::Exec;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};

/// Runs commands on this host with a directory first on `PATH`, and with further variables.
#[derive(Clone, Debug, Default)]
pub struct First {
    /// The directory.
    pub bin: PathBuf,
    /// The variables, `NAME=VALUE`.
    pub variables: Vec<String>,
}

#[async_trait]
impl Runner for First {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("PATH={}:{path}", self.bin.display());
        let argv = ["env".to_owned(), path].into_iter().chain(self.variables.iter().cloned());
        let argv = argv.chain(invocation.argv.iter().cloned()).collect();
        Exec.run(&Invocation { argv, ..invocation.clone() }).await
    }

    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        Exec.make_directory(path).await
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        Exec.write_file(path, text).await
    }
}
