//! The end of a log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Reads the last `limit` bytes of a file, from the start of a line on if it is longer.
///
/// # Errors
/// The system's reason.
pub fn tail(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(limit);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // it may grow meanwhile
    file.take(limit).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // one line that is longer than all is shown torn
    let whole = if start == 0 { &text } else { text.split_once('\n').map_or(&*text, |(_, rest)| rest) };
    Ok(whole.trim_end().to_owned())
}
