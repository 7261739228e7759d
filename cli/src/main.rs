//! The `rpar` command, with the backends that come with rpar.

use std::process::ExitCode;

fn main() -> ExitCode {
    rpar::command::run(rpar::Registry::builtin())
}
