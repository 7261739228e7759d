//! What runs a job: one process a job, or an element, which stands for the node's daemon. And `pbsdsh`, which asks it for
//! further processes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rpar_core::profile::duration;
use rustix::process::{Pid, Signal, kill_process, setsid};

use super::Said;
use super::site::{Job, SERVER, Site, now};

/// How often the daemon looks whether something is wanted of it.
const LOOK: Duration = Duration::from_millis(30);

/// Runs a job, or an element of an array, to its end.
pub(super) fn run(site: &Site, number: u32, element: Option<u32>) -> io::Result<()> {
    // what the job starts is known by its session
    let session = setsid()?;
    let Some(job) = site.job(number) else { return Ok(()) };
    let gone = || job.told(element, "deleted").is_some() || !job.folder.exists();
    let queued = Instant::now();
    loop {
        if gone() {
            return Ok(());
        }
        let site = Site::open(&site.root).unwrap_or_else(|_| site.clone());
        let kept = site.scenario.hold || job.fact("hold") == "u" || job.never(&site).is_some();
        if !kept && queued.elapsed() >= site.scenario.wait {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let mut child = start(site, &job, element)?;
    job.tell(element, "stime", &now().to_string())?;
    job.tell(element, "session", &session.as_raw_nonzero().to_string())?;
    let ended = attend(site, &job, element, &mut child)?;
    end_session(session, Signal::KILL);
    if let Some((status, comment)) = ended {
        job.tell(element, "obittime", &now().to_string())?;
        job.tell(element, "comment", comment)?;
        job.tell(element, "exit", &status.to_string())?;
    }
    Ok(())
}

/// Waits until a job ends, or has to. `None`: nothing is to be known of it.
fn attend(
    site: &Site,
    job: &Job,
    element: Option<u32>,
    child: &mut Child,
) -> io::Result<Option<(i32, &'static str)>> {
    let began = Instant::now();
    let session = rustix::process::getpid();
    let walltime = duration::parse(job.fact("walltime"));
    let mut asked: Option<(Instant, i32, &'static str)> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            let told = asked.map(|(_, status, words)| (status, words));
            return Ok(Some(told.unwrap_or_else(|| by_itself(status))));
        }
        let scenario = Site::open(&site.root).map(|site| site.scenario).unwrap_or_default();
        let since = began.elapsed();
        if !job.folder.exists() {
            return Ok(None);
        }
        if scenario.vanish.is_some_and(|after| since >= after) {
            fs::remove_dir_all(&job.folder)?;
            return Ok(None);
        }
        if scenario.die.is_some_and(|after| since >= after) {
            return Ok(Some((256 + Signal::KILL.as_raw(), "failed")));
        }
        let due = if job.told(element, "deleted").is_some() {
            Some((256 + Signal::TERM.as_raw(), "terminated"))
        } else if walltime.is_some_and(|walltime| since >= walltime) {
            Some((-29, "exceeded resource walltime"))
        } else {
            None
        };
        match (&asked, due) {
            (None, Some((status, words))) => {
                asked = Some((Instant::now(), status, words));
                end_session(session, Signal::TERM);
            }
            (Some((at, ..)), _) if at.elapsed() >= scenario.kill_delay => end_session(session, Signal::KILL),
            _ => {}
        }
        std::thread::sleep(LOOK);
    }
}

fn by_itself(status: ExitStatus) -> (i32, &'static str) {
    let code = status.code().unwrap_or_else(|| 256 + status.signal().unwrap_or_default());
    (code, if code == 0 { "finished" } else { "failed" })
}

/// Signals all that the job has started, and is not this process.
fn end_session(session: Pid, signal: Signal) {
    let session = session.as_raw_nonzero().get();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
        let of = fields.and_then(|fields| fields.get(3)?.parse::<i32>().ok());
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if let (Some(of), Some(pid)) = (of, pid)
            && of == session
            && pid != session
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

/// The nodes that a job is given, the first again after the last; an element has one, by its index.
fn nodes(site: &Site, job: &Job, element: Option<u32>) -> Vec<String> {
    let count = site.scenario.nodes.max(1);
    let first = element.map_or(0, |index| index.saturating_sub(1));
    (0..job.number_of("nodes")).map(|n| format!("node{}", (first + n) % count + 1)).collect()
}

/// Starts the job in its user's home, with nothing of the environment that it was submitted from.
fn start(site: &Site, job: &Job, element: Option<u32>) -> io::Result<Child> {
    let nodes = nodes(site, job, element);
    let (ncpus, procs) = (job.number_of("ncpus"), job.number_of("mpiprocs").max(1));
    let with = |form: String, between: &str| {
        nodes.iter().map(|node| form.replace('@', node)).collect::<Vec<_>>().join(between)
    };
    let host = if ncpus == 1 { "@/0".to_owned() } else { format!("@/0*{ncpus}") };
    job.tell(element, "exec_host", &with(host, "+"))?;
    job.tell(element, "exec_vnode", &with(format!("(@:ncpus={ncpus})"), "+"))?;
    let lines: String =
        nodes.iter().flat_map(|node| std::iter::repeat_n(format!("{node}\n"), procs as usize)).collect();
    job.tell(element, "nodefile", &lines)?;
    let output = output(job, element);
    let mut command = Command::new("/bin/bash");
    command.arg("-l").arg(job.folder.join("script")).env_clear().envs(environment(site, job, element));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let home = Path::new(job.fact("home"));
    command.current_dir(if home.is_dir() { home } else { Path::new("/") }).spawn()
}

/// Where a job's own words go: the path that it names, below the directory that it was submitted from.
fn output(job: &Job, element: Option<u32>) -> File {
    let named = match job.fact("output") {
        "" => format!("{}.o{}", job.fact("name"), job.number),
        path => path.replace("^array_index^", &element.unwrap_or_default().to_string()),
    };
    let path = Path::new(job.fact("directory")).join(named);
    let spool = job.life(element).join("output");
    let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
    open(&path).or_else(|_| open(&spool)).unwrap_or_else(|_| panic!("{} cannot be written", spool.display()))
}

fn environment(site: &Site, job: &Job, element: Option<u32>) -> BTreeMap<String, String> {
    let fact = |name: &str| job.fact(name).to_owned();
    let mut variables = BTreeMap::from([
        ("ENVIRONMENT", "BATCH".to_owned()),
        ("HOME", fact("home")),
        ("NCPUS", fact("ncpus")),
        ("OMP_NUM_THREADS", fact("ncpus")),
        ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", site.root.join("bin").display())),
        ("PBS_ENVIRONMENT", "PBS_BATCH".to_owned()),
        ("PBS_JOBDIR", fact("home")),
        ("PBS_JOBID", job.id(element)),
        ("PBS_JOBNAME", fact("name")),
        ("PBS_NODEFILE", job.life(element).join("nodefile").display().to_string()),
        ("PBS_NODENUM", "0".to_owned()),
        ("PBS_O_HOME", fact("home")),
        ("PBS_O_HOST", SERVER.to_owned()),
        ("PBS_O_LOGNAME", fact("owner")),
        ("PBS_O_PATH", fact("path")),
        ("PBS_O_QUEUE", fact("queue")),
        ("PBS_O_SHELL", fact("shell")),
        ("PBS_O_SYSTEM", "Linux".to_owned()),
        ("PBS_O_WORKDIR", fact("directory")),
        ("PBS_QUEUE", fact("queue")),
        ("PBS_TASKNUM", "1".to_owned()),
        ("TMPDIR", std::env::temp_dir().display().to_string()),
    ]);
    if let Some(index) = element {
        variables.insert("PBS_ARRAY_ID", job.id(None));
        variables.insert("PBS_ARRAY_INDEX", index.to_string());
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `pbsdsh -n INDEX -- PROGRAM ARGUMENTS`: runs a program on a node of the job, which is this host, and tells its exit
/// status unless it is 0.
pub(super) async fn pbsdsh(site: &Site, words: &[String]) -> Said {
    let [dash_n, index, rest @ ..] = words else { return Said::failed(1, "pbsdsh: no program\n") };
    let program = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    let id = std::env::var("PBS_JOBID").ok().filter(|_| std::env::var_os("PBS_ENVIRONMENT").is_some());
    let named = id.and_then(|id| site.named(&id).ok());
    let (Some((job, element)), "-n", Ok(index)) = (named, dash_n.as_str(), index.parse::<usize>()) else {
        return Said::failed(1, "pbsdsh: not executing under PBS\n");
    };
    let nodefile = job.told(element, "nodefile").unwrap_or_default();
    let count = nodefile.lines().count().max(1);
    let output = output(&job, element);
    let Some((name, arguments)) = program.split_first() else {
        return Said::failed(1, "pbsdsh: no program\n");
    };
    let mut command = tokio::process::Command::new(name);
    command.args(arguments).env_clear().envs(environment(site, &job, element));
    command.env("PBS_NODENUM", (index % count).to_string()).current_dir(job.fact("home"));
    command.stdin(Stdio::null()).process_group(0);
    if let Ok(other) = output.try_clone() {
        command.stdout(other).stderr(output);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(_) => return Said { out: "pbsdsh: task 0x00000000 exit status 254\n".into(), ..Said::default() },
    };
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    tokio::select! {
        status = child.wait() => {
            let code = status.map(|status| by_itself(status).0).unwrap_or(254);
            let told = format!("pbsdsh: task 0x00000000 exit status {code}\n");
            Said { out: if code == 0 { String::new() } else { told }, ..Said::default() }
        }
        signal = asked_to_end() => {
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process_group(pid, signal);
            }
            let out = format!("pbsdsh: killing task 0x00000001 signal {}\n", signal.as_raw());
            Said { out, exit: 1, ..Said::default() }
        }
    }
}

async fn asked_to_end() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut hup), Ok(mut int), Ok(mut term)) =
        (signal(SignalKind::hangup()), signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = hup.recv() => Signal::HUP,
        _ = int.recv() => Signal::INT,
        _ = term.recv() => Signal::TERM,
    }
}
