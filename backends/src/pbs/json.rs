//! What `qstat -f -F json` lists.

use serde_json::{Map, Value};

use crate::torque::{Attributes, Jobs};

/// The jobs, with names of attributes as in the text form: `Resource_List.walltime`. `None` if this is no JSON of
/// `qstat`; without any job it has no `Jobs`.
pub(super) fn read(listing: &str) -> Option<Jobs> {
    let whole: Map<String, Value> = serde_json::from_str(listing.trim()).ok()?;
    let jobs = match whole.get("Jobs") {
        None => return Some(Jobs::new()),
        Some(jobs) => jobs.as_object()?,
    };
    let job = |(id, attributes): (&String, &Value)| {
        let mut flat = Attributes::new();
        for (name, value) in attributes.as_object()? {
            // the user's environment is long, and no one asks for it
            if name != "Variable_List" {
                flatten(name, value, &mut flat);
            }
        }
        Some((id.as_str().into(), flat))
    };
    jobs.iter().map(job).collect()
}

fn flatten(name: &str, value: &Value, into: &mut Attributes) {
    match value {
        Value::Object(parts) => {
            parts.iter().for_each(|(part, value)| flatten(&format!("{name}.{part}"), value, into));
        }
        Value::String(text) => _ = into.insert(name.to_owned(), text.clone()),
        other => _ = into.insert(name.to_owned(), other.to_string()),
    }
}
