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
}

/// A function's identity: SHA-256 over its kind and body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Debug for FunctionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}
