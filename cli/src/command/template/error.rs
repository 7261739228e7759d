//! Why a command cannot be used.

use thiserror::Error;

use crate::command::exit::Exit;
use crate::command::report::Report;

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
    /// A placeholder names a source that is not there.
    #[error("the command `{command}` asks for {placeholder}, and each task has {columns} of them")]
    NoArgument { command: String, placeholder: String, columns: usize },
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
            TemplateError::NoArgument { .. } => {
                "each `:::`, and each file after `::::`, gives a task one argument; {2,2} in a regular expression \
                 means the same as {2}"
                    .into()
            }
            TemplateError::TooDeep { .. } => "put the command in a script of its own, and map that".into(),
        }
    }
}

impl From<TemplateError> for Report {
    fn from(error: TemplateError) -> Self {
        let hint = error.hint();
        Report::of(Exit::Usage, &error).hint(hint)
    }
}
