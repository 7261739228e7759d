//! `rpar list`.

use serde_json::json;

use super::context::Context;
use crate::cluster::ClusterState;
use crate::command::exit::Exit;
use crate::command::output::Table;
use crate::command::report::Outcome;
use crate::paths::cluster_dirs;

pub(crate) fn run(context: &Context) -> Outcome {
    let mut table = Table::new(["CLUSTER", "STATE", "HOST", "PID", "DIRECTORY"]);
    let (mut list, mut dead) = (Vec::new(), false);
    for directory in cluster_dirs(&context.profiles) {
        let (state, record) = match directory.state() {
            Ok(ClusterState::Absent) => continue,
            Ok(ClusterState::Alive(record)) => ("alive", Some(record)),
            Ok(ClusterState::Elsewhere(record)) => ("elsewhere", Some(record)),
            Ok(ClusterState::Coming(_)) => ("coming", None),
            Ok(ClusterState::Dead) => {
                dead = true;
                ("dead", None)
            }
            Err(_) => ("unreadable", None),
        };
        let host = record.as_ref().map(|record| record.host.clone());
        let pid = record.as_ref().map(|record| record.pid);
        list.push(json!({
            "cluster": directory.cluster(),
            "profile": directory.profile,
            "cluster_id": directory.cluster_id,
            "state": state,
            "host": host,
            "pid": pid,
            "directory": directory.path,
        }));
        table.row([
            directory.cluster(),
            state.into(),
            host.unwrap_or_else(|| "-".into()),
            pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
            directory.path.display().to_string(),
        ]);
    }
    if context.output.json {
        context.output.document(json!({ "clusters": list }))?;
    } else if list.is_empty() {
        context.output.note("no clusters: `rpar start` starts one");
    } else {
        context.output.answer(&table.render(context.output.colors_stdout()))?;
        if dead {
            context.output.note("\n`rpar clean` removes what dead clusters have left");
        }
    }
    Ok(Exit::Ok)
}
