//! Prints every row. `cargo bench -- ROW` prints those whose name contains ROW.

#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]

use std::io;

use rpar_benches::{relay, role, spawn};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match arguments.as_slice() {
        [flag, "echo"] if *flag == role::ROLE => relay::echo(),
        [flag, "relay", echo] if *flag == role::ROLE => relay::relay(echo),
        _ => {
            let r = relay::Relay::start()?;
            for _ in 0..3 {
                println!("relay {:.0}/s", r.round_trips_per_second(2_000_000)?);
                println!("spawn {:.0}/s", spawn::commands_per_second(3000, 2)?);
            }
            Ok(())
        }
    }
}
