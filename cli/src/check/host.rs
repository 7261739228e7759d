//! What this host has of what a profile names: commands, networks, directories.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rpar_core::profile::Place;
use rpar_core::transport::Listener;
use rpar_runtime::link::fresh_identity;
use tokio::time::timeout;

use super::finding::Finding;
use crate::paths::state_directory;
use crate::profile::{Resolved, Surroundings, is_program};
use crate::site::Site;

/// What statfs(2) tells of file systems, as far as it says whether other hosts see them: (number, name, shared).
const FILE_SYSTEMS: [(u32, &str, bool); 11] = [
    (0x0102_1994, "tmpfs", false),
    (0x8584_58f6, "ramfs", false),
    (0x794c_7630, "overlayfs", false),
    (0x6969, "NFS", true),
    (0x0bd0_0bd0, "Lustre", true),
    (0x4750_4653, "GPFS", true),
    (0x00c3_6400, "CephFS", true),
    (0x1983_0326, "BeeGFS", true),
    (0xff53_4d42, "CIFS", true),
    (0xaad7_aaea, "PanFS", true),
    (0x6573_5546, "FUSE", true),
];

/// How long this host may take to reach itself.
const DIAL_TIME: Duration = Duration::from_secs(2);

/// Directories that every host has for itself, whatever file system they are on.
const OWN_OF_EACH_HOST: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

/// The commands of a site, by the kinds that run them here.
pub(super) fn tools(resolved: &Resolved, surroundings: &Surroundings) -> Vec<Finding> {
    let text =
        |table: &toml::Table, key: &str| table.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let kind = text(&resolved.scheduler, "kind").unwrap_or_default();
    let origins = resolved.origins();
    let elsewhere = text(&resolved.scheduler, "ssh_host");
    let needed: &[&str] = match kind.as_str() {
        _ if elsewhere.is_some() => &["ssh"],
        "slurm" => &["sbatch", "squeue", "scancel"],
        "torque" => &["qsub", "qstat", "qdel"],
        "pbs" => &["qsub", "qstat", "qdel", "qselect"],
        _ => &[],
    };
    let missing = |name: &str| {
        Finding::error(format!("`{name}` is not on PATH"))
            .at_key(origins, "scheduler.kind")
            .because(format!("scheduler `{kind}` runs it"))
            .next("load the site's module, or add its directory to PATH, where `rpar start` is typed")
    };
    needed
        .iter()
        .map(|name| match surroundings.program(name) {
            Some(path) => Finding::ok(format!("`{name}` is {}", path.display())),
            None => missing(name),
        })
        .chain(launcher(resolved, surroundings))
        .collect()
}

/// A launcher's command runs on the allocation's first node, which mostly has what this host has.
fn launcher(resolved: &Resolved, surroundings: &Surroundings) -> Option<Finding> {
    let kind = resolved.launcher.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
    let name = ["srun", "ssh", "mpiexec", "pbsdsh"].into_iter().find(|name| *name == kind)?;
    Some(match surroundings.program(name) {
        Some(path) => Finding::ok(format!("`{name}` is {}", path.display())),
        None => Finding::warning(format!("`{name}` is not on PATH here"))
            .at_key(resolved.origins(), "launcher.kind")
            .because(format!("launcher `{kind}` runs it on the allocation's first node"))
            .next("`--live` tells whether the nodes have it"),
    })
}

/// What the nodes run: rpar itself, and Python.
pub(super) fn programs(resolved: &Resolved, site: &Site, program: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(own) = &resolved.engines.program {
        let (origins, key) = (resolved.origins(), "engines.program");
        let path = Path::new(own);
        findings.push(if is_program(path) {
            Finding::ok(format!("{own} can be run"))
        } else if path.exists() {
            Finding::error(format!("{own} is no program"))
                .at_key(origins, key)
                .next(format!("chmod +x {own}"))
        } else {
            Finding::warning(format!("{own} is not on this host"))
                .at_key(origins, key)
                .because("the nodes run it")
                .next("`--live` tells whether they have it")
        });
    } else if own_of_host(program) && resolved.storage.shared && site.scheduler.info().name != "local" {
        findings.push(
            Finding::warning(format!("this rpar is {}, which other hosts may not see", program.display()))
                .because("the nodes run the same program, by its path")
                .next("install rpar on a shared file system, or name the nodes' own as `[engines] program`"),
        );
    }
    if let Some(python) = &resolved.python.executable {
        findings.push(match Path::new(python) {
            path if !path.is_absolute() => {
                Finding::ok(format!("`{python}` is looked up on the nodes, after `setup`"))
            }
            path if is_program(path) => Finding::ok(format!("{python} can be run here")),
            _ => Finding::warning(format!("{python} cannot be run here"))
                .at_key(resolved.origins(), "python.executable")
                .because("Python tasks need it on the nodes")
                .next("`--live` tells whether they have it"),
        });
    }
    findings
}

/// Whether what is advertised and listened on is there.
pub(super) async fn network(resolved: &Resolved, site: &Site) -> Vec<Finding> {
    let mut findings = Vec::new();
    let origins = resolved.origins();
    for listen in &resolved.listen {
        let bound = match fresh_identity() {
            Ok(identity) => site.transport.bind(&identity, listen).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let listener = match bound {
            Ok(listener) => listener,
            Err(reason) => {
                let key =
                    if reason.contains("advertise") { "transport.advertise" } else { "transport.listen" };
                findings.push(
                    Finding::error(format!("cannot listen at {listen}"))
                        .at_key(origins, key)
                        .because(reason)
                        .next("`ip -brief address` lists the interfaces and addresses of this host"),
                );
                continue;
            }
        };
        let endpoints = listener.endpoints();
        let reached = reaches_itself(site, listener).await;
        let places: Vec<&str> = endpoints
            .iter()
            .map(|endpoint| endpoint.0.rsplit_once(':').map_or(&*endpoint.0, |(place, _)| place))
            .collect();
        let key = "transport.advertise";
        let told = format!("can listen at {listen}; the nodes are told {}", places.join(", "));
        findings.push(if endpoints.is_empty() {
            Finding::error(format!("nothing could dial {listen}"))
                .at_key(origins, key)
                .next("name an interface in `[transport] advertise`")
        } else if site.scheduler.info().remote_pilot
            && endpoints.iter().all(|endpoint| is_loopback(&endpoint.0))
        {
            Finding::warning(told)
                .at_key(origins, key)
                .because("a loopback address leads every node to itself")
                .next("name the interface of the nodes' network in `[transport] advertise`")
        } else if !reached && resolved.controller.r#where == Place::Local {
            Finding::warning(told)
                .at_key(origins, key)
                .because("this host reaches itself at none of these, and `rpar start` waits here")
                .next("name an interface or address of this host among those in `[transport] advertise`")
        } else {
            Finding::ok(told)
        });
    }
    findings
}

/// Whether this host can dial what it listens on, as `rpar start` will.
async fn reaches_itself(site: &Site, mut listener: Box<dyn Listener>) -> bool {
    let (endpoints, key) = (listener.endpoints(), listener.key());
    let Ok(identity) = fresh_identity() else { return false };
    let dials = async {
        for endpoint in &endpoints {
            let dialled = timeout(DIAL_TIME, site.transport.dial(&identity, endpoint, &key)).await;
            if matches!(dialled, Ok(Ok(_))) {
                return true;
            }
        }
        false
    };
    let accepts = async { while listener.accept().await.is_ok() {} };
    tokio::select! {
        reached = dials => reached,
        () = accepts => false,
    }
}

/// Whether an endpoint leads whoever dials it to its own host.
pub(crate) fn is_loopback(endpoint: &str) -> bool {
    let place = endpoint.split_once("://").map_or(endpoint, |(_, place)| place);
    place.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}

/// Whether clusters can keep their files where the profile says, and whether the nodes can see them there.
pub(super) fn storage(resolved: &Resolved, site: &Site, surroundings: &Surroundings) -> Finding {
    let path = resolved.storage.dir.clone().map_or_else(|| state_directory(surroundings), PathBuf::from);
    let told = path.display().to_string();
    if let Err(error) = try_to_write(&path) {
        return Finding::error(format!("clusters cannot keep files in {told}"))
            .at_key(resolved.origins(), "storage.dir")
            .because(error.to_string())
            .next("name another directory as `[storage] dir`");
    }
    let nearest = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let kind = rustix::fs::statfs(nearest).ok().map(|about| about.f_type as u32);
    let kind = FILE_SYSTEMS.iter().find(|(number, ..)| Some(*number) == kind);
    let kind = kind.map(|(_, name, shared)| (*name, *shared));
    judge_storage(&told, kind, site.scheduler.info().remote_pilot).at_key(resolved.origins(), "storage.dir")
}

fn judge_storage(path: &str, kind: Option<(&str, bool)>, remote: bool) -> Finding {
    let next = "name a directory that the nodes see too as `[storage] dir`";
    let because = "the nodes read the cluster's files there";
    match kind {
        _ if !remote => Finding::ok(format!("clusters keep their files in {path}")),
        Some((name, false)) => Finding::error(format!("{path} is on {name}, which this host alone sees"))
            .because(because)
            .next(next),
        _ if own_of_host(Path::new(path)) => {
            Finding::warning(format!("{path} is a place that each host has for itself, mostly"))
                .because(because)
                .next(format!("{next}; `--live` tells whether they do"))
        }
        Some((name, true)) => Finding::ok(format!("clusters keep their files in {path}, on {name}")),
        None => Finding::ok(format!(
            "clusters keep their files in {path}; `--live` tells whether the nodes see it"
        )),
    }
}

fn own_of_host(path: &Path) -> bool {
    OWN_OF_EACH_HOST.iter().any(|place| path.starts_with(place))
}

/// Makes what is missing of the directory, writes a file there, and takes all of that away again.
fn try_to_write(path: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    let tried = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| tempfile::Builder::new().prefix(".rpar-check-").tempfile_in(path).map(drop));
    for made in missing {
        let _ = fs::remove_dir(made);
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity::{Error, Ok, Warning};

    #[test]
    fn where_files_may_be_depends_on_who_needs_them() {
        let cases = [
            ("/home/ann", Some(("NFS", true)), true, Ok),
            ("/home/ann", None, true, Ok),
            ("/tmp/x", None, true, Warning),
            ("/dev/shm/x", Some(("tmpfs", false)), true, Error),
            ("/dev/shm/x", Some(("tmpfs", false)), false, Ok),
        ];
        for (path, kind, remote, severity) in cases {
            assert_eq!(judge_storage(path, kind, remote).severity, severity, "{path} {kind:?}");
        }
    }

    #[test]
    fn a_directory_is_tried_without_a_trace() {
        let home = tempfile::tempdir().unwrap();
        try_to_write(&home.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        fs::write(home.path().join("file"), "").unwrap();
        assert!(try_to_write(&home.path().join("file/b")).is_err());
    }

    #[test]
    fn loopback_is_known_by_its_address() {
        assert!(is_loopback("tcp://127.0.0.1:70") && is_loopback("tcp://[::1]:70"));
        assert!(!is_loopback("tcp://10.0.0.1:70") && !is_loopback("tcp://login1:70"));
    }
}
