//! Answers for programs.

use serde_json::Value;

use super::Output;
use crate::command::report::Report;

/// The version of all documents together, which each of them names. It grows when a key goes away or means something
/// else; a key more is no new version.
const SCHEMA: u32 = 1;

impl Output {
    /// Writes an answer as one JSON document: an object, which gets its version here.
    ///
    /// # Errors
    /// See [`answer`](Self::answer).
    pub(crate) fn document(&self, value: Value) -> Result<(), Report> {
        self.answer(&format!("{:#}\n", versioned(value)))
    }
}

/// One of many documents, on a line of its own.
pub(crate) fn json_line(value: Value) -> String {
    format!("{}\n", versioned(value))
}

fn versioned(mut value: Value) -> Value {
    value["schema"] = SCHEMA.into();
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_names_its_version() {
        assert_eq!(json_line(json!({ "task": 1 })), "{\"schema\":1,\"task\":1}\n");
    }
}
