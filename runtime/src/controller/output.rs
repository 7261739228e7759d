//! The end of what an allocation wrote.

use std::fs;
use std::path::Path;

use rpar_core::id::AllocationId;

use crate::files::tail;

/// How much of it is shown: a screenful.
const TAIL_BYTES: u64 = 2 << 10;

/// Reads the last 2 KiB of the allocation's file in the directory of logs, cut at a line's start; empty if there is no
/// such file, or nothing in it. Of an array's elements, which as a rule complain of the same, the one that wrote last.
pub(super) fn read_end(logs: &Path, allocation: &AllocationId) -> String {
    let entries = fs::read_dir(logs).into_iter().flatten().flatten();
    let own =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| allocation.owns_log(name)));
    let written = own.filter_map(|entry| {
        let known = entry.metadata().ok()?;
        (known.is_file() && known.len() > 0).then_some((known.modified().ok()?, entry.path()))
    });
    let Some((_, path)) = written.max() else { return String::new() };
    tail(&path, TAIL_BYTES).unwrap_or_else(|error| {
        tracing::debug!("could not read {}: {error}", path.display());
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_begins_with_a_whole_line() {
        let logs = tempfile::tempdir().unwrap();
        let lines: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        fs::write(logs.path().join("allocation-12.log"), lines).unwrap();
        let end = read_end(logs.path(), &"12.server".into());
        assert!(end.starts_with("line ") && end.ends_with("line 999"), "{end}");
        assert!(end.len() <= TAIL_BYTES as usize);
    }

    #[test]
    fn of_an_array_the_element_that_wrote_last_is_read() {
        let logs = tempfile::tempdir().unwrap();
        for (name, text, age) in [
            ("allocation-12_1.log", "first", 3),
            ("allocation-12_2.log", "second", 2),
            ("allocation-12_3.log", "", 0),
            ("allocation-123_1.log", "another's", 1),
        ] {
            let path = logs.path().join(name);
            fs::write(&path, text).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        assert_eq!(read_end(logs.path(), &"12".into()), "second");
        assert_eq!(read_end(logs.path(), &"12[]".into()), "second");
    }

    #[test]
    fn no_output_is_empty_and_no_id_leads_elsewhere() {
        let logs = tempfile::tempdir().unwrap();
        fs::create_dir(logs.path().join("allocation-")).unwrap();
        fs::write(logs.path().join("x.log"), "secret").unwrap();
        for id in ["12", "", ".", "/../x"] {
            assert_eq!(read_end(logs.path(), &id.into()), "", "{id}");
        }
    }
}
