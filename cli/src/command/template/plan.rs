//! A template for tasks of so many arguments: the script, and what its positional parameters are.

use bytes::{Bytes, BytesMut};
use rpar_core::task::Arguments;

use super::placeholder::{SLOT, Value};
use super::{Piece, Quoting, Template};
use crate::command::input::Record;

/// What is the same for all tasks of so many arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Text for `sh -c`.
    pub(super) script: String,
    /// The positional parameters, from 1 on.
    values: Vec<Value>,
}

impl Template {
    /// The script for tasks of so many arguments.
    pub(super) fn plan(&self, columns: usize) -> Plan {
        let (mut script, mut values) = (String::new(), Vec::new());
        let name = if self.rebinds { "rpar_" } else { "" };
        for piece in &self.pieces {
            let (placeholder, quoting) = match piece {
                Piece::Text(text) => {
                    script += text;
                    continue;
                }
                Piece::Hole(placeholder, quoting) => (placeholder, *quoting),
            };
            let parameters: Vec<String> = placeholder
                .values(columns)
                .into_iter()
                .map(|value| {
                    if value == Value::Slot {
                        return format!("${{{SLOT}}}");
                    }
                    let index = values.iter().position(|known| *known == value).unwrap_or_else(|| {
                        values.push(value);
                        values.len() - 1
                    });
                    format!("${{{name}{}}}", index + 1)
                })
                .collect();
            script += &match quoting {
                // as words of their own
                Quoting::Bare if !parameters.is_empty() => format!("\"{}\"", parameters.join("\" \"")),
                Quoting::Bare => String::new(),
                Quoting::Single => format!("'\"{}\"'", parameters.join(" ")),
                Quoting::Double | Quoting::Here => parameters.join(" "),
            };
        }
        if self.rebinds && !values.is_empty() {
            let kept: String = (1..=values.len()).map(|n| format!("rpar_{n}=${{{n}}} ")).collect();
            script = format!("{}\n{script}", kept.trim_end());
        }
        Plan { script, values }
    }
}

impl Plan {
    /// The positional parameters of one task, encoded.
    pub(super) fn payload(&self, record: &Record) -> Bytes {
        let mut payload = BytesMut::new();
        Arguments(self.values.iter().map(|value| value.of(record)).collect()).encode(&mut payload);
        payload.freeze()
    }
}
