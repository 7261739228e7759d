//! The attributes of a job, in the server's order.

use std::time::Duration;

use super::site::{Job, Phase, SERVER, Site, clock, now};

/// What an attribute holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    /// Parts with names of their own.
    Parts(Vec<(String, Value)>),
    /// The same, written `NAME=VALUE,NAME=VALUE` in the text form.
    List(Vec<(String, Value)>),
}

/// Names and values.
pub(super) type Attributes = Vec<(String, Value)>;

/// Attributes as they are collected.
#[derive(Debug, Default)]
struct Collected(Attributes);

impl Collected {
    fn text(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), Value::Text(value.into())));
    }

    fn number(&mut self, name: &str, value: i64) {
        self.0.push((name.to_owned(), Value::Number(value)));
    }
}

/// The state's letter.
pub(super) fn letter(site: &Site, job: &Job, element: Option<u32>) -> &'static str {
    let elements = job.elements();
    let phase = |element| job.phase(site, element);
    let array = element.is_none() && !elements.is_empty();
    if array && job.is_finished(site) {
        return "F";
    }
    if array && elements.iter().any(|index| !matches!(phase(Some(*index)), Phase::Queued | Phase::Held)) {
        return "B";
    }
    let element = element.or_else(|| elements.first().copied());
    let over = if element.is_some() && !job.is_finished(site) { "X" } else { "F" };
    match phase(element) {
        Phase::Queued => "Q",
        Phase::Held => "H",
        Phase::Running => "R",
        Phase::Finished => over,
    }
}

/// How long it has run.
pub(super) fn used(job: &Job, element: Option<u32>) -> Option<Duration> {
    let seconds = |what| job.told(element, what).and_then(|text| text.parse::<u64>().ok());
    let began = seconds("stime")?;
    Some(Duration::from_secs(seconds("obittime").unwrap_or_else(now).saturating_sub(began)))
}

/// All attributes of a job, an array or an element of one.
pub(super) fn of(site: &Site, job: &Job, element: Option<u32>) -> Attributes {
    let array = !job.fact("array").is_empty() && element.is_none();
    let told = |what| job.told(element, what);
    let state = letter(site, job, element);
    let owner = format!("{}@{SERVER}", job.fact("owner"));
    let mut list = Collected::default();
    list.text("Job_Name", job.fact("name"));
    list.text("Job_Owner", owner.clone());
    if let Some(used) = used(job, element).filter(|_| !array) {
        let ncpus = i64::from(job.number_of("ncpus") * job.number_of("nodes"));
        list.0.push(("resources_used".into(), Value::Parts(resources_used(used, ncpus))));
    }
    list.text("job_state", state);
    list.text("queue", job.fact("queue"));
    list.text("server", SERVER);
    if element.is_none() {
        list.text("Checkpoint", "u");
    }
    list.text("ctime", date(job.fact("ctime")));
    list.text("Error_Path", path(job, element, 'e'));
    let placed = (told("exec_host"), told("exec_vnode"));
    if let (Some(hosts), Some(nodes), Some(_)) = (placed.0, placed.1, told("session")) {
        list.text("exec_host", hosts);
        list.text("exec_vnode", nodes);
    }
    if element.is_none() {
        list.text("Hold_Types", if state == "H" { "u" } else { "n" });
    }
    list.text("Join_Path", job.fact("join"));
    list.text("Keep_Files", job.fact("keep"));
    list.text("Mail_Points", "a");
    let changed = told("obittime").or_else(|| told("stime")).unwrap_or_else(|| job.fact("ctime").to_owned());
    list.text("mtime", date(&changed));
    list.text("Output_Path", path(job, element, 'o'));
    list.number("Priority", 0);
    list.text("qtime", date(job.fact("ctime")));
    list.text("Rerunable", "True");
    list.0.push(("Resource_List".into(), Value::Parts(resources(job))));
    for what in ["stime", "obittime"] {
        let first = || job.elements().into_iter().filter_map(|index| job.told(Some(index), what)).min();
        if let Some(time) = if array && what == "stime" { first() } else { told(what) } {
            list.text(what, date(&time));
        }
    }
    if let Some(session) = told("session").filter(|_| state == "R").and_then(|text| text.parse().ok()) {
        list.number("session_id", session);
    }
    if told("stime").is_some() {
        list.text("jobdir", job.fact("home"));
    }
    list.number("substate", substate(state, told("exit").as_deref()));
    list.0.push(("Variable_List".into(), Value::List(variables(job))));
    if let Some(comment) = comment(site, job, element, state) {
        list.text("comment", comment);
    }
    list.text("etime", date(job.fact("ctime")));
    if told("stime").is_some() {
        list.number("run_count", 1);
    }
    ending(site, job, element, &mut list);
    list.text("project", job.fact("project"));
    list.text("Submit_Host", SERVER);
    list.0
}

/// What is told of an end, and of what belongs to arrays.
fn ending(site: &Site, job: &Job, element: Option<u32>, list: &mut Collected) {
    let array = !job.fact("array").is_empty() && element.is_none();
    let exits: Vec<i64> = exits(job, if array { job.elements() } else { Vec::new() }, element);
    if (!array || job.is_finished(site)) && !exits.is_empty() {
        list.number("Stageout_status", 1);
        let worst = i64::from(exits.iter().any(|exit| *exit != 0));
        list.number("Exit_status", if array { worst } else { exits[0] });
    }
    if element.is_none() {
        list.text("Submit_arguments", job.fact("arguments"));
    }
    if array {
        let count = |phase: Phase| {
            job.elements().iter().filter(|index| job.phase(site, Some(**index)) == phase).count()
        };
        let (queued, running) = (count(Phase::Queued) + count(Phase::Held), count(Phase::Running));
        let expired = if job.is_finished(site) { 0 } else { count(Phase::Finished) };
        list.text("array", "True");
        list.text(
            "array_state_count",
            format!("Queued:{queued} Running:{running} Exiting:0 Expired:{expired}"),
        );
        list.text("array_indices_submitted", job.fact("array"));
        list.text("array_indices_remaining", if queued == 0 { "-" } else { job.fact("array") });
    }
    if let Some(index) = element {
        list.text("array_id", job.id(None));
        list.number("array_index", i64::from(index));
    }
}

fn exits(job: &Job, elements: Vec<u32>, element: Option<u32>) -> Vec<i64> {
    let lives = elements.iter().map(|index| Some(*index)).chain(elements.is_empty().then_some(element));
    lives.filter_map(|life| job.told(life, "exit")?.lines().next()?.parse().ok()).collect()
}

fn substate(state: &str, exit: Option<&str>) -> i64 {
    match (state, exit) {
        ("Q", _) => 10,
        ("H", _) => 20,
        ("R", _) => 42,
        ("B", _) => 70,
        (_, Some("0")) => 92,
        (_, Some("271") | None) => 91,
        _ => 93,
    }
}

fn comment(site: &Site, job: &Job, element: Option<u32>, state: &str) -> Option<String> {
    let at = |time: &str| {
        let date = date(time);
        format!("{} at {}", &date[..10], &date[11..16])
    };
    if state == "Q" {
        return job.never(site).or_else(|| Some("Not Running: No available resources on nodes".into()));
    }
    let mut end = job.told(element, "comment").map(|words| format!(" and {words}")).unwrap_or_default();
    if end == " and terminated" {
        end += &format!(" by {}@{SERVER}", job.fact("owner"));
    }
    match (job.told(element, "stime"), state) {
        (Some(time), _) => {
            let nodes = job.told(element, "exec_vnode").unwrap_or_default();
            Some(format!("Job run at {} on {nodes}{end}", at(&time)))
        }
        (None, "B") => Some(format!("Job Array Began at {}", at(job.fact("ctime")))),
        (None, "F") if !job.fact("array").is_empty() => {
            Some(format!("Job Array Began at {} and terminated", at(job.fact("ctime"))))
        }
        _ => None,
    }
}

fn resources_used(used: Duration, ncpus: i64) -> Attributes {
    let mut parts = Collected::default();
    parts.number("cpupercent", 0);
    parts.text("cput", "00:00:00");
    parts.text("mem", "7336kb");
    parts.number("ncpus", ncpus);
    parts.text("vmem", "10380kb");
    parts.text("walltime", clock(used));
    parts.0
}

fn resources(job: &Job) -> Attributes {
    let (nodes, ncpus) = (i64::from(job.number_of("nodes")), i64::from(job.number_of("ncpus")));
    let mut parts = Collected::default();
    if let Ok(procs) = job.fact("mpiprocs").parse::<i64>() {
        parts.number("mpiprocs", procs * nodes);
    }
    parts.number("ncpus", ncpus * nodes);
    parts.number("nodect", nodes);
    parts.text("place", job.fact("place"));
    parts.text("select", job.fact("select"));
    if !job.fact("walltime").is_empty() {
        parts.text("walltime", job.fact("walltime"));
    }
    parts.0
}

fn variables(job: &Job) -> Attributes {
    let mut parts = Collected::default();
    for (name, value) in [
        ("PBS_O_HOME", job.fact("home")),
        ("PBS_O_LOGNAME", job.fact("owner")),
        ("PBS_O_PATH", job.fact("path")),
        ("PBS_O_SHELL", job.fact("shell")),
        ("PBS_O_INTERACTIVE_AUTH_METHOD", "resvport"),
        ("PBS_O_INTERACTIVE_ENCRYPT_METHOD", ""),
        ("PBS_O_WORKDIR", job.fact("directory")),
        ("PBS_O_SYSTEM", "Linux"),
        ("PBS_O_QUEUE", job.fact("queue")),
        ("PBS_O_HOST", SERVER),
    ] {
        parts.text(name, value);
    }
    parts.0
}

fn path(job: &Job, element: Option<u32>, kind: char) -> String {
    let directory = job.fact("directory");
    let name = match (job.fact("output"), kind, element) {
        (path, 'o', _) if !path.is_empty() => path.to_owned(),
        (_, _, Some(index)) => format!("{}.{kind}{}.{index}", job.fact("name"), job.number),
        (_, _, None) if !job.fact("array").is_empty() => {
            format!("{}.{kind}{}.^array_index^", job.fact("name"), job.number)
        }
        _ => format!("{}.{kind}{}", job.fact("name"), job.number),
    };
    format!("{SERVER}:{directory}/{name}")
}

/// Seconds since 1970 as ctime(3) writes them, in UTC.
fn date(seconds: &str) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds: u64 = seconds.parse().unwrap_or_default();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut rest) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let (day, hour, minute) = (DAYS[(days % 7) as usize], of_day / 3600, of_day / 60 % 60);
    format!("{day} {} {:2} {hour:02}:{minute:02}:{:02} {year}", MONTHS[month], rest + 1, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_ctime() {
        for (seconds, told) in [
            ("0", "Thu Jan  1 00:00:00 1970"),
            ("951782400", "Tue Feb 29 00:00:00 2000"),
            ("1795361580", "Sun Nov 22 15:33:00 2026"),
        ] {
            assert_eq!(date(seconds), told);
        }
    }
}
