//! The `rpar` command with one launcher more: profiles can now say `kind = "within"`, and engines run within another
//! program.
//!
//! ```text
//! export RPAR_SITE_PROFILES=examples/custom-launcher/profiles
//! cargo run --package rpar-example-custom-launcher -- --profile polite map 'nice; echo {}' ::: a b
//! ```

mod within;

use std::process::ExitCode;
use std::sync::Arc;

use rpar::Registry;
use rpar_backends::fork::{self, Fork};

fn main() -> ExitCode {
    let registry = Registry::builtin().launcher("within", |section| {
        let processes = Arc::new(Fork::new(fork::Config::default()));
        Ok(Arc::new(within::Within::new(section.parse()?, processes)))
    });
    rpar::command::run(registry)
}
