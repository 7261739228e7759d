//! `[params.NAME]` as it stands in a profile.

use serde::{Deserialize, Serialize};

use super::param::ParamType;
use super::scalar::Scalar;

/// What a profile says of a parameter; becomes a [`Param`](super::Param) when it makes sense.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamSpec {
    /// Its type; text if absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ParamType>,
    /// Its value when the user gives none. Without one the parameter may stay unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Scalar>,
    /// Smallest and largest value, both allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Vec<Scalar>>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Scalar>>,
    /// What `rpar start --help` says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl ParamSpec {
    /// The keys that `[params.NAME]` may have.
    pub const KEYS: [&'static str; 5] = ["type", "default", "range", "choices", "help"];
}
