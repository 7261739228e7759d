//! A user's program with functions, as tests need it: the first word says what it does.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use rpar::{Cluster, Functions, Registry};
use rpar_backends::fork::Fork;

type Ended = Result<ExitCode, Box<dyn Error>>;

fn add((left, right): (u64, u64)) -> Result<u64, String> {
    left.checked_add(right).ok_or_else(|| "too large".to_owned())
}

/// Takes its engine host along, the first time or every time.
fn die((marker, again): (PathBuf, bool)) -> Result<u32, String> {
    let first = std::fs::File::create_new(marker).is_ok();
    if first || again {
        std::process::abort();
    }
    Ok(std::process::id())
}

fn forever(_: ()) -> Result<(), String> {
    loop {
        std::thread::park();
    }
}

fn say(text: &str) -> Ended {
    writeln!(stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// Adds the numbers from 1 to 100 with the one on the command line, on the engines.
fn sums(cluster: &Cluster) -> Ended {
    let client = cluster.client()?;
    let sums = client.load_balanced_view().map(add, (1..=100).map(|number| (number, 1000)));
    say(&format!("{}", sums.get()?.iter().sum::<u64>()))
}

/// Loses engine hosts.
fn dies(cluster: &Cluster) -> Ended {
    let client = cluster.clone().param("nodes", 2).param("ppn", 1).client()?;
    let (view, here) = (client.load_balanced_view(), std::env::current_dir()?);
    let once = view.apply(die, (here.join("once"), false));
    let pid = once.get()?;
    let attempts = once.metadata().iter().flatten().map(|metadata| metadata.attempts).sum::<u8>();
    let always = view.apply(die, (here.join("always"), true)).get().err();
    let always = always.ok_or("it cannot have ended well")?;
    say(&format!("{} {attempts} {:?} {always}", pid != std::process::id(), always.status))
}

/// Waits for what never comes.
fn waits(cluster: &Cluster) -> Ended {
    let client = cluster.client()?;
    let forever = client.load_balanced_view().apply(forever, ());
    client.wait_for_engines(1, std::time::Duration::from_secs(60))?;
    say("waiting")?;
    forever.get()?;
    Ok(ExitCode::SUCCESS)
}

/// Counts the engines of a cluster that runs.
fn counts(profile: &str) -> Ended {
    let client = rpar::Client::connect(profile, "default")?;
    say(&format!("{} engines", client.ids()?.len()))
}

fn run(cluster: Cluster) -> Ended {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("sums") => sums(&cluster),
        Some("dies") => dies(&cluster),
        Some("counts") => counts(&words[1]),
        Some("waits") => waits(&cluster),
        Some("fails") => Err("it went\nwrong".into()),
        Some("exits") => Ok(ExitCode::from(7)),
        _ => say(&words.join(" ")),
    }
}

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let registry = Registry::builtin().launcher("own", |section| Ok(Arc::new(Fork::new(section.parse()?))));
    let functions =
        Functions::new().add("add", add).add("die", die).add("forever", forever).backends(registry);
    // under this name it has a defect
    let twice = Path::new(&name).file_name().is_some_and(|name| name == "twice");
    if twice { functions.add("add", run_again) } else { functions }.main(run)
}

fn run_again((): ()) -> Result<(), String> {
    Ok(())
}
