//! The `rpar` command with one scheduler more: profiles can now say `kind = "capped"`.
//!
//! ```text
//! export RPAR_SITE_PROFILES=examples/custom-scheduler/profiles
//! cargo run --package rpar-example-custom-scheduler -- --profile shared start --nodes 2
//! ```

mod capped;

use std::process::ExitCode;
use std::sync::Arc;

use rpar::Registry;

fn main() -> ExitCode {
    let registry = Registry::builtin()
        .scheduler("capped", |section| Ok(Arc::new(capped::Capped::new(section.parse()?))));
    rpar::command::run(registry)
}
