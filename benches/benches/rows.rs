//! Prints every row. `cargo bench -- WORD` prints those whose name contains WORD.

#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]

use std::io;
use std::process::ExitCode;

use rpar_benches::rows::ROWS;
use rpar_benches::{handshakes, relay, role, serve, throw_away};

/// This program is all of rpar, too: clusters that are started from the command line run it again.
fn main() -> ExitCode {
    rpar::Functions::new().main(|_| run())
}

fn run() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [role::ROLE, "echo"] => relay::echo(),
        [role::ROLE, "source"] => relay::source(),
        [role::ROLE, "relay", far] => relay::relay(far),
        [role::ROLE, "porter"] => handshakes::porter(),
        [role::ROLE, "said"] => {
            println!("here");
            Ok(())
        }
        [role::ROLE, "chain", left] => throw_away::chain(left),
        [role::ROLE, "controller", directory] => serve::controller(directory),
        [role::ROLE, "engines", directory] => serve::engines(directory),
        [role::ROLE, "hosts", directory, count] => serve::hosts(directory, count),
        words => rows(words.first().copied().unwrap_or_default()),
    }
}

fn rows(word: &str) -> io::Result<()> {
    for (_, make) in ROWS.iter().filter(|(name, _)| name.contains(word)) {
        println!("{}\n", make()?);
    }
    Ok(())
}
