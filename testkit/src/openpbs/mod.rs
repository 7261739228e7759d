//! A small OpenPBS of our own: `qsub`, `qstat`, `qselect`, `qdel` and `pbsdsh` that run jobs as processes of this host and
//! answer in OpenPBS's words, for tests and a site's own CI.

mod attributes;
mod mom;
mod qdel;
mod qstat;
mod qsub;
mod scenario;
mod site;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use scenario::{Json, Scenario};
use site::Site;

/// What a command prints, and its exit status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// To stdout.
    pub out: String,
    /// To stderr.
    pub err: String,
    /// The exit status.
    pub exit: u8,
}

impl Said {
    /// A good end.
    fn ok(out: impl Into<String>) -> Self {
        Said { out: out.into(), ..Said::default() }
    }

    /// A failure, explained on stderr.
    fn failed(exit: u8, err: impl Into<String>) -> Self {
        Said { err: err.into(), exit, ..Said::default() }
    }
}

/// The programs, installed in a directory.
#[derive(Debug)]
pub struct FakeOpenPbs {
    root: PathBuf,
}

/// What there is to be called.
const PROGRAMS: [&str; 5] = ["qsub", "qstat", "qselect", "qdel", "pbsdsh"];

impl FakeOpenPbs {
    /// Installs the programs in `root/bin`; they call `program`, which is `rpar-testkit`. A scenario that is there stays.
    ///
    /// # Errors
    /// The system's.
    pub fn install(program: &Path, root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join("bin"))?;
        let root = fs::canonicalize(root)?;
        let quote = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
        for name in PROGRAMS {
            let file = root.join("bin").join(name);
            let text = format!("#!/bin/sh\nexec {} play {} {name} \"$@\"\n", quote(program), quote(&root));
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        Ok(FakeOpenPbs { root })
    }

    /// The directory to put first on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// From now on, plays this [`Scenario`].
    ///
    /// # Errors
    /// The system's.
    pub fn play(&self, scenario: &str) -> io::Result<()> {
        let new = self.root.join("scenario.new");
        fs::write(&new, scenario)?;
        fs::rename(new, self.root.join("scenario"))
    }
}

/// Does what one of the installed programs was asked for; `words` are its name and its arguments.
pub async fn play(program: &Path, root: &Path, words: &[String]) -> Said {
    let site = match Site::open(root) {
        Ok(site) => site,
        Err(error) => return Said::failed(255, format!("rpar-testkit: {error}\n")),
    };
    let Some((name, words)) = words.split_first() else {
        return Said::failed(2, "rpar-testkit: no program\n");
    };
    if name == "mom" {
        let number = |place: usize| words.get(place).and_then(|word| word.parse().ok());
        let ran = mom::run(&site, number(0).unwrap_or_default(), number(1));
        return ran.map_or_else(|error| Said::failed(1, format!("{error}\n")), |()| Said::default());
    }
    if name == "pbsdsh" {
        return mom::pbsdsh(&site, words).await;
    }
    tokio::time::sleep(site.scenario.slow).await;
    if site.scenario.down {
        let lost =
            format!("Connection refused\n{name}: cannot connect to server {} (errno=15010)\n", site::SERVER);
        return match name.as_str() {
            "qdel" => Said::failed(
                162,
                format!("Connection refused\nCouldn't connect to cluster: {}\n", site::SERVER),
            ),
            "qsub" => Said::failed(162, lost),
            _ => Said::failed(255, lost),
        };
    }
    match name.as_str() {
        "qsub" => qsub::run(&site, program, words),
        "qstat" => qstat::run(&site, words),
        "qselect" => qstat::select(&site, words),
        "qdel" => qdel::run(&site, words),
        other => Said::failed(2, format!("rpar-testkit: there is no program `{other}`\n")),
    }
}
