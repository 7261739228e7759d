//! Launchers on this host.

use std::sync::Arc;
use std::time::Duration;

use rpar_backends::fork;
use rpar_core::launcher::Node;
use rpar_testkit::conformance::launcher::{Setup, suite};

#[tokio::test]
async fn fork_conforms() {
    let directory = tempfile::tempdir().unwrap();
    suite(Setup {
        launcher: Box::new(|| Arc::new(fork::Fork::new(fork::Config::default()))),
        nodes: ["here-1", "here-2"].map(|name| Node { name: name.into(), slots: 1 }).to_vec(),
        directory: directory.path().to_owned(),
        patience: Duration::from_secs(60),
    })
    .await;
}
