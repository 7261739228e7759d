//! What `qsub`, `qstat` and `qdel` say when they refuse, and what can be done.

use rpar_core::error::Retry::{Later, Never, Unsure};
use rpar_core::runner::Answer;

use crate::dialect::{Refusal, Rule, before_usage};
use crate::torque;

/// The exit status of a command that was asked for a job that the server does not know.
pub(super) const UNKNOWN: i32 = 153;
/// The same for a job that has finished.
pub(super) const FINISHED: i32 = 35;
/// What `qdel` says of a job whose node does not answer; its id follows.
pub(super) const UNREACHABLE: &str = "Server could not connect to MOM";

/// Reads a refusal. Where the command said nothing (a site's wrapper may swallow it), its exit status tells.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let output = answer.output();
    let mut words = before_usage(&output);
    if words.trim().is_empty() {
        let told = CODES.iter().find(|(code, _)| answer.exit == Some(*code));
        words = told.map_or("", |(_, words)| words);
    }
    let spoken = Answer { exit: answer.exit, stdout: String::new(), stderr: words.to_owned() };
    let refusal = Refusal::read(&spoken, &[RULES, torque::RULES]);
    let slurm = output.contains(SLURMS_OPTION).then(|| SLURMS.to_owned());
    Refusal { hint: slurm.or(refusal.hint), ..refusal }
}

/// Stands in the usage of Slurm's `qsub` for users of Torque, and of no other.
const SLURMS_OPTION: &str = "[-P wckey]";

const SLURMS: &str =
    "this `qsub` is Slurm's, for users of Torque: `extends = \"slurm\"` fits, or `extends = \"torque\"`";

/// Whether a failed `qdel` has complained of nothing but jobs that are over anyway.
pub(super) fn all_gone(answer: &Answer) -> bool {
    const GONE: [&str; 3] = ["Unknown Job Id", "Job has finished", "Request invalid for state of job"];
    let output = answer.output();
    let mut lines = output.lines().filter(|line| !line.trim().is_empty());
    match answer.exit {
        Some(UNKNOWN | FINISHED) if output.trim().is_empty() => true,
        _ => !output.trim().is_empty() && lines.all(|line| GONE.iter().any(|told| line.contains(told))),
    }
}

/// What the exit statuses mean.
const CODES: [(i32, &str); 9] = [
    (UNKNOWN, "Unknown Job Id"),
    (162, "cannot connect to server"),
    (166, "Illegal attribute or resource value"),
    (170, "Unknown queue"),
    (175, "Bad UID for job execution"),
    (187, "Unknown resource"),
    (188, "Job violates queue and/or server resource limits"),
    (222, UNREACHABLE),
    (241, "node(s) specification error"),
];

const RULES: &[Rule] = &[
    Rule { pattern: "premature end of message", retry: Unsure, hint: None },
    Rule { pattern: "connection reset", retry: Unsure, hint: None },
    Rule { pattern: "connection timed out", retry: Unsure, hint: None },
    Rule {
        pattern: "couldn't connect to cluster",
        retry: Later,
        hint: Some("the PBS server does not answer"),
    },
    Rule {
        pattern: "server could not connect to mom",
        retry: Later,
        hint: Some("its node does not answer; the next try is `qdel -W force`"),
    },
    Rule {
        pattern: "would exceed",
        retry: Later,
        hint: Some("`qstat -Qf` tells how many jobs a user may have"),
    },
    Rule {
        pattern: "array job exceeds",
        retry: Never,
        hint: Some("ask for fewer --nodes: `qstat -Bf` and `qstat -Qf` tell `max_array_size`"),
    },
    Rule {
        pattern: "unknown resource",
        retry: Never,
        hint: Some("`chunk` and `directives` in `[scheduler]` may only name resources that the site has"),
    },
    Rule {
        pattern: "specification error",
        retry: Never,
        hint: Some(
            "see `chunk`, `place` and `directives` in `[scheduler]`; `pbsnodes -a` tells what nodes have",
        ),
    },
    Rule { pattern: "cannot be used with", retry: Never, hint: Some(CHUNK) },
    Rule {
        pattern: "illegal attribute or resource value",
        retry: Never,
        hint: Some("see --walltime, and `chunk`, `place` and `directives` in `[scheduler]`"),
    },
    Rule {
        pattern: "unknown queue",
        retry: Never,
        hint: Some(
            "`qstat -Q` lists the site's queues; name one with --queue, or as `queue` in `[scheduler]`",
        ),
    },
    Rule {
        pattern: "resource limits",
        retry: Never,
        hint: Some(
            "`qstat -Qf` tells the limits of each queue; ask for fewer --nodes or less --walltime, or for another --queue",
        ),
    },
    Rule {
        pattern: "bad uid for job execution",
        retry: Never,
        hint: Some("PBS runs no jobs of root, unless `acl_roots` allows it: do this as an ordinary user"),
    },
    Rule {
        pattern: "unauthorized request",
        retry: Never,
        hint: Some(
            "`qstat -Qf` tells who may use a queue; name another with --queue, or an account with --account",
        ),
    },
];

/// What to do when the request names a resource in two ways.
const CHUNK: &str = "`directives` must not ask for resources that `select` is for, such as `-l nodes` or `-l ncpus`: \
                     name them in `chunk` of `[scheduler]`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_system_s_qsub_is_told_by_its_usage() {
        let usage = "Unknown option: f\nUsage:\n    qsub [-a start_time] [-pe shm task_cnt] [-P wckey] [-h] [script]\n";
        let answer = Answer { exit: Some(2), stdout: String::new(), stderr: usage.to_owned() };
        let Refusal { reason, hint, .. } = refusal(&answer);
        assert_eq!((reason.as_str(), hint.as_deref()), ("Unknown option: f", Some(SLURMS)));
    }
}
