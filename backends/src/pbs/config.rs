//! What a profile says of a PBS site, and the lines that ask it for nodes.

use std::num::NonZeroU32;
use std::time::Duration;

use rpar_core::profile::duration;
use rpar_core::scheduler::AllocationRequest;
use serde::{Deserialize, Serialize};

use crate::dialect::{Refusal, clock};
use crate::script;
use crate::slurm::indices;

/// The keys of `[scheduler]` under `kind = "pbs"`, besides those of any scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Cores of each node's chunk; as many as engines if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ncpus: Option<u32>,
    /// What else each chunk asks for, as it stands after a colon: `mem=4gb:ngpus=1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<String>,
    /// How chunks are placed; `scatter`, a node for each, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The project, which is not the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Further options, one line each, as they stand after `#PBS`: `-m n`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directives: Vec<String>,
    /// How long `qsub`, `qstat`, `qselect` and `qdel` may take; 60 s if not given.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many of these commands may begin in a second; 10 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_per_second: Option<NonZeroU32>,
}

impl Config {
    /// What stands after `#PBS`, line by line; for an `old` qsub only what it has always known.
    pub(super) fn lines(&self, request: &AllocationRequest, old: bool) -> Result<Vec<String>, Refusal> {
        let Config { ncpus, chunk, place, project, directives, .. } = self;
        // an element of an array is one node
        let (nodes, ppn) = (if request.array { 1 } else { request.nodes }, request.ppn);
        let mut select = format!("select={nodes}:ncpus={}:mpiprocs={ppn}", ncpus.unwrap_or(ppn));
        if let Some(chunk) = script::word("chunk", chunk)? {
            select += &format!(":{}", chunk.trim_start_matches(':'));
        }
        let place = script::word("place", place)?.unwrap_or("scatter");
        // PBS would take the user's login shell, whatever the first line says
        let mut lines = vec![
            "-S /bin/bash".to_owned(),
            format!("-N {}", request.tag),
            format!("-l {select}"),
            format!("-l place={place}"),
        ];
        lines.extend(request.walltime.map(|walltime| format!("-l walltime={}", clock(walltime))));
        for (flag, name, value) in
            [("-q", "queue", &request.queue), ("-A", "account", &request.account), ("-P", "project", project)]
        {
            lines.extend(script::word(name, value)?.map(|value| format!("{flag} {value}")));
        }
        // what is said before the log is open
        let index = if indices(request).is_some() { ".^array_index^" } else { "" };
        lines.extend(["-j oe".to_owned(), format!("-o logs/allocation-site{index}.log")]);
        // written in place, so that nothing is copied when the job ends
        lines.extend((!old).then(|| "-k oed".to_owned()));
        lines.extend(script::lines("directives", directives)?);
        Ok(lines)
    }
}
