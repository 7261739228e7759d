//! `map`'s command with its placeholders: `{}` and its relatives become positional parameters of the shell, never
//! text, so that no argument is ever executed, wherever the user put the braces.

mod scanner;

use bytes::Bytes;
use rpar_core::task::Arguments;
use thiserror::Error;

/// A command ready for `sh -c`, and what its positional parameters are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Text for `sh -c`; refers to the arguments as `${1}`, `${2}` and so on.
    pub(crate) script: String,
    parts: Vec<Part>,
}

/// What a placeholder stands for. The names of GNU parallel's replacement strings, which users know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `{}`: the argument.
    Whole,
    /// `{.}`: without its extension.
    Stem,
    /// `{/}`: without its directory.
    Base,
    /// `{//}`: only its directory.
    Directory,
    /// `{/.}`: without directory and extension.
    BaseStem,
    /// `{#}`: the task's number, from 1.
    Number,
}

const PLACEHOLDERS: [(&str, Part); 6] = [
    ("{}", Part::Whole),
    ("{.}", Part::Stem),
    ("{/}", Part::Base),
    ("{//}", Part::Directory),
    ("{/.}", Part::BaseStem),
    ("{#}", Part::Number),
];

/// A placeholder stands where no positional parameter can, or the command is torn.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TemplateError {
    /// A quote or bracket never closes.
    #[error("the command `{command}` opens {what} and never closes it")]
    Unterminated { command: String, what: &'static str },
    /// A placeholder is in a place that cannot take it.
    #[error(
        "the command `{command}` has a placeholder inside {place}, where an argument cannot be passed safely"
    )]
    Misplaced { command: String, place: &'static str, instead: &'static str },
    /// There is no placeholder, and nothing to append the argument to.
    #[error("the command `{command}` has no placeholder and ends where an argument cannot be appended")]
    NoPlace { command: String },
    /// Brackets are nested without end.
    #[error("the command `{command}` nests more than {limit} brackets")]
    TooDeep { command: String, limit: usize },
}

impl TemplateError {
    /// What the user can do instead.
    pub(crate) fn hint(&self) -> String {
        match self {
            TemplateError::Unterminated { .. } => {
                "put the whole command in single quotes: rpar map 'COMMAND {}' ::: ARGUMENTS".into()
            }
            TemplateError::Misplaced { instead, .. } => (*instead).into(),
            TemplateError::NoPlace { .. } => "say with {} where the argument goes".into(),
            TemplateError::TooDeep { .. } => "put the command in a script of its own, and map that".into(),
        }
    }
}

impl Template {
    /// Turns every placeholder into a positional parameter; without any, appends the argument to the command, as GNU
    /// parallel does.
    ///
    /// # Errors
    /// When a placeholder stands where the shell has no safe place for a parameter.
    pub(crate) fn parse(command: &str) -> Result<Self, TemplateError> {
        let scanned = scanner::scan(command)?;
        if !scanned.parts.is_empty() {
            return Ok(Template { script: scanned.script, parts: scanned.parts });
        }
        if !scanned.open_end {
            return Err(TemplateError::NoPlace { command: command.into() });
        }
        Ok(Template { script: scanned.script + " \"${1}\"", parts: vec![Part::Whole] })
    }

    /// The positional parameters for one argument; `number` counts tasks from 1.
    pub(crate) fn arguments(&self, argument: &Bytes, number: u64) -> Arguments {
        Arguments(self.parts.iter().map(|part| part.of(argument, number)).collect())
    }
}

impl Part {
    fn of(self, argument: &Bytes, number: u64) -> Bytes {
        let base = argument.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let dot =
            argument.iter().skip(base).rposition(|b| *b == b'.').map_or(argument.len(), |dot| base + dot);
        match self {
            Part::Whole => argument.clone(),
            Part::Stem => argument.slice(..dot),
            Part::Base => argument.slice(base..),
            Part::BaseStem => argument.slice(base..dot),
            Part::Directory if base == 0 => Bytes::from_static(b"."),
            Part::Directory if base == 1 => Bytes::from_static(b"/"),
            Part::Directory => argument.slice(..base - 1),
            Part::Number => number.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests;
