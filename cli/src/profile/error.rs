//! What can be wrong with a profile.

use std::path::PathBuf;

use figment::error::{Actual, Kind};
use thiserror::Error;

use super::nearest::nearest;
use super::origin::Origins;

/// A profile cannot be used. Every message names the place, the key and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// There is none of this name.
    #[error("unknown profile `{name}`: {suggestion}; write your own as {write}")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest and all known ones.
        suggestion: String,
        /// Where the user's own profile of this name would be.
        write: PathBuf,
    },
    /// A profile extends one that does not exist.
    #[error("{place}: `extends` names an unknown profile `{base}`: {suggestion}")]
    UnknownBase {
        /// The file.
        place: String,
        /// The name.
        base: String,
        /// The nearest and all known ones.
        suggestion: String,
    },
    /// Profiles extend each other in a circle.
    #[error("{place}: `extends` goes round in a circle: {chain}")]
    Cycle {
        /// The file that closes the circle.
        place: String,
        /// `a -> b -> a`.
        chain: String,
    },
    /// A name that cannot be one: it would not be safe as a directory's name.
    #[error(
        "{what} `{name}` is not allowed: expected 1 to 64 letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
    )]
    Name {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A file is there but cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A file is not TOML.
    #[error("{place}: not valid TOML: {reason}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says.
        reason: String,
    },
    /// A key that nothing reads.
    #[error("{place}: unknown key `{key}`: {suggestion}")]
    UnknownKey {
        /// File and line.
        place: String,
        /// The whole path of the key.
        key: String,
        /// The nearest known key, or all of them.
        suggestion: String,
    },
    /// A value that is not allowed.
    #[error("{place}: `{key}` is {value}: expected {expected}")]
    Value {
        /// File and line, variable or flag.
        place: String,
        /// The whole path of the key.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// A key that must be there and is not.
    #[error("{place}: `{key}` is missing: expected {expected}")]
    Missing {
        /// File, or profile.
        place: String,
        /// The whole path of the key.
        key: String,
        /// What it should hold.
        expected: String,
    },
    /// One thing is set in two places of one file.
    #[error("{place}: `{key}` and `{other}` both set one thing: keep one of them")]
    Twice {
        /// File and line of the first.
        place: String,
        /// The first.
        key: String,
        /// The second.
        other: String,
    },
    /// A template that cannot be rendered.
    #[error("{place}: `{key}` cannot be rendered: {reason}")]
    Template {
        /// File and line.
        place: String,
        /// The whole path of the key.
        key: String,
        /// What the template engine says, and which variables there are.
        reason: String,
    },
    /// The user gave a value for a parameter that the profile does not have.
    #[error("profile `{profile}` has no parameter `{name}`: {suggestion}")]
    UnknownParam {
        /// The profile.
        profile: String,
        /// The name.
        name: String,
        /// The nearest and all known ones.
        suggestion: String,
    },
    /// The engines asked for do not fit the nodes asked for.
    #[error(
        "with {ppn} a node, {total} engines need {needed} nodes, but {nodes} are asked for: leave out one of the two"
    )]
    Total {
        /// Engines asked for.
        total: u32,
        /// Nodes they need.
        needed: u32,
        /// Engines on each node.
        ppn: u32,
        /// Nodes asked for.
        nodes: u32,
    },
}

/// `did you mean `x`? known: ...`, or the second part alone.
pub(crate) fn suggestion<'a>(wrong: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = match known.is_empty() {
        true => format!("there are no {what}"),
        false => format!("{what}: {}", known.join(", ")),
    };
    match nearest(wrong, known) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    }
}

impl ProfileError {
    /// A value of a wrong type, wherever strict parsing has met it. `section` is the key around what was parsed, and
    /// `others` are the keys there that somebody else has read.
    pub(crate) fn from_figment(
        error: figment::Error,
        section: &str,
        others: &[&str],
        origins: &Origins,
    ) -> Self {
        let mut path = vec![section.to_owned()];
        path.extend(error.path);
        path.retain(|part| !part.is_empty());
        let child = |name: &str| path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let place = |key: &str| origins.place(key);
        let key = path.join(".");
        match error.kind {
            Kind::UnknownField(field, known) => {
                // figment's own path may or may not end with the field already
                let key = if path.last() == Some(&field) { key } else { child(&field) };
                let known = known.iter().chain(others).copied();
                let suggestion = suggestion(&field, "known keys", known);
                ProfileError::UnknownKey { place: place(&key), key, suggestion }
            }
            Kind::MissingField(field) => {
                let missing = child(&field);
                let kind = format!("{section}.kind");
                ProfileError::Missing { place: place(&kind), key: missing, expected: "a value".to_owned() }
            }
            Kind::UnknownVariant(value, known) => {
                let expected = format!("one of {}", known.join(", "));
                ProfileError::Value { place: place(&key), key, value: format!("`{value}`"), expected }
            }
            Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
                let value = shown(&actual);
                ProfileError::Value { place: place(&key), key, value, expected: plain(&expected) }
            }
            Kind::InvalidLength(length, expected) => {
                let value = format!("a list of {length}");
                ProfileError::Value { place: place(&key), key, value, expected }
            }
            other => ProfileError::Template { place: place(&key), key, reason: other.to_string() },
        }
    }
}

fn shown(actual: &Actual) -> String {
    match actual {
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Unsigned(value) => format!("`{value}`"),
        Actual::Signed(value) => format!("`{value}`"),
        Actual::Float(value) => format!("`{value}`"),
        Actual::Str(value) => format!("`{value}`"),
        Actual::Char(value) => format!("`{value}`"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// Rust's names of types, in words.
fn plain(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    words.to_owned()
}
