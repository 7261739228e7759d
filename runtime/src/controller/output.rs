//! The end of what an allocation wrote.

use std::path::Path;

use rpar_core::id::AllocationId;

use crate::files::tail;

/// How much of it is shown: a screenful.
const TAIL_BYTES: u64 = 2 << 10;

/// Reads the last 2 KiB of the allocation's file in the directory of logs, cut at a line's start; empty if there is no
/// such file, or nothing in it.
pub(super) fn read_end(logs: &Path, allocation: &AllocationId) -> String {
    let Some(name) = allocation.log_name() else { return String::new() };
    let path = logs.join(name);
    match tail(&path, TAIL_BYTES) {
        Ok(text) => text,
        Err(error) => {
            tracing::debug!("could not read {}: {error}", path.display());
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_begins_with_a_whole_line() {
        let logs = tempfile::tempdir().unwrap();
        let lines: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        std::fs::write(logs.path().join("allocation-12.log"), lines).unwrap();
        let end = read_end(logs.path(), &"12.server".into());
        assert!(end.starts_with("line ") && end.ends_with("line 999"), "{end}");
        assert!(end.len() <= TAIL_BYTES as usize);
    }

    #[test]
    fn no_output_is_empty_and_no_id_leads_elsewhere() {
        let logs = tempfile::tempdir().unwrap();
        std::fs::create_dir(logs.path().join("allocation-")).unwrap();
        std::fs::write(logs.path().join("x.log"), "secret").unwrap();
        for id in ["12", "", ".", "/../x"] {
            assert_eq!(read_end(logs.path(), &id.into()), "", "{id}");
        }
    }
}
