//! The mpiexec launcher, on Hydra, which takes this host for all nodes.

use std::sync::Arc;
use std::time::Duration;

use rpar_backends::mpiexec::{Config, Mpiexec};
use rpar_core::launcher::Node;
use rpar_testkit::conformance::launcher::{Setup, suite};
use rpar_tests::services;

#[tokio::test]
async fn mpiexec_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["-launcher", "fork"].map(str::to_owned).to_vec();
    let config = Config { options, program: Some(services::mpiexec()) };
    suite(Setup {
        launcher: Box::new(move || Arc::new(Mpiexec::new(config.clone()))),
        nodes: ["node1", "node2"].map(|name| Node { name: name.into(), slots: 1 }).to_vec(),
        directory: directory.path().to_owned(),
        patience: Duration::from_secs(60),
    })
    .await;
}
