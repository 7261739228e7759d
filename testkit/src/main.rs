//! `rpar-testkit install DIR --system openpbs|torque`: a batch system without a site, for tests of profiles.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rpar_testkit::openpbs::{self, Said};
use rpar_testkit::{FakeOpenPbs, FakeTorque};

const USAGE: &str = "usage: rpar-testkit install DIR [--system openpbs|torque]

Puts the commands of a batch system into DIR/bin. They run jobs as processes of this host, and answer as the system
does. What is written to DIR/scenario changes how: docs/testing-a-profile.md lists the words.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["install", directory] | ["install", directory, "--system", "openpbs"] => {
            install(directory, "openpbs")
        }
        ["install", directory, "--system", "torque"] => install(directory, "torque"),
        ["play", root, ..] => match std::env::current_exe() {
            Ok(program) => openpbs::play(&program, Path::new(root), &words[2..]).await,
            Err(error) => failed(error.to_string()),
        },
        ["--help" | "-h" | "help"] => Said { out: USAGE.into(), ..Said::default() },
        _ => Said { err: USAGE.into(), exit: 2, ..Said::default() },
    };
    // nobody may be reading
    let _ = std::io::stdout().write_all(said.out.as_bytes());
    let _ = std::io::stderr().write_all(said.err.as_bytes());
    ExitCode::from(said.exit)
}

fn install(directory: &str, system: &str) -> Said {
    let directory = PathBuf::from(directory);
    let installed = match system {
        "torque" => FakeTorque::install(&directory).map(|fake| fake.bin()),
        _ => std::env::current_exe()
            .and_then(|program| FakeOpenPbs::install(&program, &directory))
            .map(|fake| fake.bin()),
    };
    match installed {
        Ok(bin) => Said { out: format!("{}\n", bin.display()), ..Said::default() },
        Err(error) => failed(format!("{}: {error}", directory.display())),
    }
}

fn failed(reason: String) -> Said {
    Said { err: format!("rpar-testkit: {reason}\n"), exit: 1, ..Said::default() }
}
