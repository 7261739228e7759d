//! Identifiers: plain numbers and texts, each with a type of its own so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

number! {
    /// One unit of the user's work. On a client's link it counts that client's own submissions from 0; between
    /// controller and engines it counts the controller's.
    TaskId(u64)
}
number! {
    /// Tasks that were submitted together to outlive their client. Given out by the controller from 1 on, never used
    /// twice in an incarnation.
    SubmissionId(u64)
}
number! {
    /// One engine. Given out by the controller in order of registration, never used twice in an incarnation.
    EngineId(u32)
}
number! {
    /// One link, as its owner numbers them; never used twice in a process.
    LinkId(u64)
}
number! {
    /// One life of a controller: a random number chosen at its start.
    Incarnation(u64)
}
number! {
    /// A request for an allocation that the controller has made; tells its answer apart from others'.
    RequestId(u64)
}

text! {
    /// The site's own name for an allocation, such as `123.login1` or `4711`.
    AllocationId
}
text! {
    /// What marks a cluster's allocations in the site's queue: `rpar-` and a short hash of the cluster's directory.
    /// At most 15 characters, the limit of a PBS job name in Torque (qsub manual page, `-N`).
    ClusterTag
}

impl EngineId {
    /// A number from 1 on that no two tasks have which run at once: an engine runs one at a time.
    pub fn slot(self) -> u64 {
        u64::from(self.0) + 1
    }
}

impl AllocationId {
    /// The file in the cluster's directory of logs that the pilot, and the setup lines before it, write to: so
    /// schedulers name it, and so the controller finds it. An id such as `12.server` counts up to its first dot. `None`
    /// for an id that would lead out of the directory: it is the site's text. Sites may put their own words into
    /// another `allocation-*.log`.
    pub fn log_name(&self) -> Option<String> {
        let number = self.0.split('.').next().unwrap_or_default();
        (!number.is_empty() && !number.contains('/')).then(|| format!("allocation-{number}.log"))
    }

    /// Whether a file in the directory of logs is such a one, of the allocation or of an element of it: those of an array
    /// `12` or `12[].server` are called `allocation-12_3.log` or `allocation-12[3].log`.
    pub fn owns_log(&self, name: &str) -> bool {
        let number = self.0.split('.').next().unwrap_or_default();
        let number = number.strip_suffix("[]").unwrap_or(number);
        let middle = name.strip_prefix("allocation-").and_then(|rest| rest.strip_suffix(".log"));
        let Some(rest) = middle.and_then(|middle| middle.strip_prefix(number)) else { return false };
        let index = rest.strip_prefix('_').or_else(|| rest.strip_prefix('[')?.strip_suffix(']'));
        let is_index = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        !number.is_empty() && (rest.is_empty() || index.is_some_and(is_index))
    }

    /// Whether those who are in it may call it so: an element of an array that the site calls `12[]` may know it as `12`.
    /// No site gives an array and another job the same number.
    pub fn is_known_as(&self, other: &AllocationId) -> bool {
        fn plain(id: &AllocationId) -> impl Iterator<Item = u8> {
            let (number, server) = id.0.split_once("[]").unwrap_or((&id.0, ""));
            number.bytes().chain(server.bytes())
        }
        self == other || plain(self).eq(plain(other))
    }
}

/// A function's identity: SHA-256 over its kind and body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Debug for FunctionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_knows_its_logs() {
        for (id, name, owns) in [
            ("12", "allocation-12.log", true),
            ("12.server", "allocation-12.log", true),
            ("12", "allocation-12_3.log", true),
            ("12[]", "allocation-12_3.log", true),
            ("12[].server", "allocation-12[3].log", true),
            ("local-7-9", "allocation-local-7-9.log", true),
            ("12", "allocation-123.log", false),
            ("12", "allocation-1.log", false),
            ("12", "allocation-12_.log", false),
            ("12", "allocation-12_3", false),
            ("12", "allocation-site.log", false),
            ("", "allocation-.log", false),
            ("12", "node1.log", false),
        ] {
            assert_eq!(AllocationId::from(id).owns_log(name), owns, "{id} {name}");
        }
    }

    #[test]
    fn an_array_is_known_with_and_without_brackets() {
        for (id, other, same) in [
            ("8[]", "8", true),
            ("4[].login1", "4[].login1", true),
            ("4[].login1", "4.login1", true),
            ("4[].login1", "4", false),
            ("8[]", "80", false),
        ] {
            assert_eq!(AllocationId::from(id).is_known_as(&other.into()), same, "{id} {other}");
        }
    }
}
