//! What the fake does besides granting everything at once: a text file, one line a fact.

use std::time::Duration;

/// How the site behaves. Read anew by each command, so that it may change while jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// `history off`: jobs that have finished are forgotten.
    pub history: bool,
    /// `json broken` writes a number that is none; `json none` knows no `-F`.
    pub json: Json,
    /// `express none`: `qstat` knows no `-E`.
    pub express: bool,
    /// `down`: the server does not answer.
    pub down: bool,
    /// `slow 30s`: every command takes so long.
    pub slow: Duration,
    /// `refuse queue`: `qsub` refuses, in the words for `queue`, `resource`, `nodes`, `walltime`, `limits` or `root`.
    pub refuse: Option<String>,
    /// `unsure`: `qsub` loses its connection after the server has accepted.
    pub unsure: bool,
    /// `hold`: jobs are held.
    pub hold: bool,
    /// `never`: jobs stay queued, as they can never run.
    pub never: bool,
    /// `wait 5s`: jobs are queued for so long.
    pub wait: Duration,
    /// `die 5s`: jobs are killed so long after their start, as by a failing node.
    pub die: Option<Duration>,
    /// `vanish 5s`: so long after their start, jobs are gone, and the server knows nothing of them.
    pub vanish: Option<Duration>,
    /// `unreachable`: the jobs' nodes do not answer `qdel`, unless it is forced.
    pub unreachable: bool,
    /// `kill_delay 2s`: how long after SIGTERM a job is killed.
    pub kill_delay: Duration,
    /// `nodes 3`: how many nodes there are.
    pub nodes: u32,
    /// `cores 4`: how many cores each has.
    pub cores: u32,
    /// `queue debug 30m`: a queue, and how long its jobs may run. Without one there are `workq`, and `debug` for 30 minutes.
    pub queues: Vec<(String, Option<Duration>)>,
}

/// What `qstat -F json` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// JSON.
    Good,
    /// What no reader of JSON takes.
    Broken,
    /// Nothing: there is no such option.
    Unknown,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            history: true,
            json: Json::Good,
            express: true,
            down: false,
            slow: Duration::ZERO,
            refuse: None,
            unsure: false,
            hold: false,
            never: false,
            wait: Duration::ZERO,
            die: None,
            vanish: None,
            unreachable: false,
            kill_delay: Duration::from_secs(2),
            nodes: 64,
            cores: 64,
            queues: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads a scenario. `#` begins a comment.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut scenario = Scenario::default();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            if !words.is_empty() && scenario.take(&words).is_none() {
                return Err(format!("line {}: `{}` is no part of a scenario", number + 1, line.trim()));
            }
        }
        if scenario.queues.is_empty() {
            let limit = Some(Duration::from_secs(1800));
            scenario.queues = vec![("workq".into(), None), ("debug".into(), limit)];
        }
        Ok(scenario)
    }

    fn take(&mut self, words: &[&str]) -> Option<()> {
        match *words {
            ["history", word] => self.history = switch(word)?,
            ["json", "broken"] => self.json = Json::Broken,
            ["json", "none"] => self.json = Json::Unknown,
            ["express", "none"] => self.express = false,
            ["down"] => self.down = true,
            ["slow", time] => self.slow = duration(time)?,
            ["refuse", what] => self.refuse = Some(what.to_owned()),
            ["unsure"] => self.unsure = true,
            ["hold"] => self.hold = true,
            ["never"] => self.never = true,
            ["wait", time] => self.wait = duration(time)?,
            ["die", time] => self.die = Some(duration(time)?),
            ["vanish", time] => self.vanish = Some(duration(time)?),
            ["unreachable"] => self.unreachable = true,
            ["kill_delay", time] => self.kill_delay = duration(time)?,
            ["nodes", number] => self.nodes = number.parse().ok()?,
            ["cores", number] => self.cores = number.parse().ok()?,
            ["queue", name] => self.queues.push((name.to_owned(), None)),
            ["queue", name, time] => self.queues.push((name.to_owned(), Some(duration(time)?))),
            _ => return None,
        }
        Some(())
    }
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Duration> {
    rpar_core::profile::duration::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_and_names_the_one_that_is_wrong() {
        let scenario =
            Scenario::read("history off  # as shipped\n\nslow 250ms\nqueue long\n").expect("it reads");
        assert_eq!((scenario.history, scenario.slow), (false, Duration::from_millis(250)));
        assert_eq!(scenario.queues, [("long".to_owned(), None)]);
        assert_eq!(Scenario::read("down\nslow\n"), Err("line 2: `slow` is no part of a scenario".into()));
    }
}
