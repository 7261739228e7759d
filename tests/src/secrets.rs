//! Looks for a cluster's secrets where other users, or a careless copy, could find them.

use std::fs;
use std::path::{Path, PathBuf};

/// Files that hold secrets, and may: their owner alone can read them.
const CONNECTION_FILES: [&str; 3] = ["client.toml", "engine.toml", "probe.toml"];

/// How much of a file is looked at: more than any log of a test has, less than a program.
const FILE_LIMIT_BYTES: u64 = 8 << 20;

/// The secrets of some connection files, in each form that they could be written in.
#[derive(Debug)]
pub struct Secrets {
    forms: Vec<(String, Vec<u8>)>,
    seen: usize,
    found: Vec<String>,
}

impl Secrets {
    /// Those of the connection files in a cluster's directory.
    ///
    /// # Panics
    /// When there is none, when two are the same, or when others may read one.
    pub fn of(directory: &Path) -> Secrets {
        let mut secrets = Vec::new();
        for name in CONNECTION_FILES {
            let path = directory.join(name);
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).expect("it is there"));
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            let line = text.lines().find_map(|line| line.strip_prefix("secret = ")).expect("a secret");
            let hex = line.trim_matches(['"', '\'']).to_owned();
            secrets.push((name, hex));
        }
        assert!(!secrets.is_empty(), "no connection file in {}", directory.display());
        if let [(_, one), (_, other), ..] = secrets.as_slice() {
            assert_ne!(one, other, "each role has its own");
        }
        let forms = secrets.iter().flat_map(|(name, hex)| {
            forms(hex).into_iter().map(move |(form, bytes)| (format!("{form} of {name}"), bytes))
        });
        Secrets { forms: forms.collect(), seen: 0, found: Vec::new() }
    }

    /// Looks at a text.
    pub fn look(&mut self, place: &str, content: &[u8]) {
        self.seen += 1;
        for (form, bytes) in &self.forms {
            if content.windows(bytes.len()).any(|window| window == bytes) {
                self.found.push(format!("{form} in {place}"));
            }
        }
    }

    /// Looks at the arguments and the environment of every process, which other users can read, or root's tools show.
    pub fn look_at_processes(&mut self) {
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            for file in ["cmdline", "environ"] {
                let path = process.path().join(file);
                // most have ended by now, or are no processes
                if let Ok(content) = fs::read(&path) {
                    self.look(&path.display().to_string(), &content);
                }
            }
        }
    }

    /// Looks at all files below a directory but the connection files.
    pub fn look_at_files(&mut self, directory: &Path) {
        for path in files(directory) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let small =
                fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() < FILE_LIMIT_BYTES);
            if small && !CONNECTION_FILES.contains(&name) {
                self.look(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// How many places were looked at, and where a secret showed.
    pub fn seen_and_found(self) -> (usize, Vec<String>) {
        (self.seen, self.found)
    }
}

/// A secret as it is in its file, and in other forms of the same 32 bytes.
fn forms(hex: &str) -> Vec<(&'static str, Vec<u8>)> {
    let digits =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    let raw: Vec<u8> = hex.as_bytes().chunks(2).map(digits).collect();
    assert_eq!(raw.len(), 32, "a secret has 32 bytes");
    vec![
        ("hex", hex.as_bytes().to_vec()),
        ("upper case hex", hex.to_uppercase().into_bytes()),
        ("base64", base64(&raw, *b"+/").into_bytes()),
        ("base64url", base64(&raw, *b"-_").into_bytes()),
        ("the bytes", raw),
    ]
}

/// RFC 4648, sections 4 and 5, without padding.
fn base64(bytes: &[u8], last: [u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0_u32, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for i in 0..=group.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if path.is_dir() && !is_link { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        assert_eq!(base64(b"Man", *b"+/"), "TWFu");
        assert_eq!(base64(b"light w", *b"+/"), "bGlnaHQgdw");
        assert_eq!(base64(&[0xfb, 0xff], *b"-_"), "-_8");
        let hex = "5e".repeat(32);
        for (form, bytes) in forms(&hex) {
            let mut secrets = Secrets {
                forms: forms(&hex).into_iter().map(|(form, bytes)| (form.to_owned(), bytes)).collect(),
                seen: 0,
                found: Vec::new(),
            };
            secrets.look("here", &[b"x=", &*bytes, b"\n"].concat());
            let (seen, found) = secrets.seen_and_found();
            assert!(seen == 1 && found.contains(&format!("{form} in here")), "{form}: {found:?}");
        }
    }
}
