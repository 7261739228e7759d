//! `map`'s command with its placeholders: `{}` and its relatives become positional parameters of the shell, never
//! text, so that no argument is ever executed, wherever the user put the braces.

mod error;
mod functions;
mod placeholder;
mod plan;
mod quote;
mod scanner;
mod text;

pub(crate) use self::error::TemplateError;
pub(crate) use self::functions::Functions;
use self::placeholder::Placeholder;
use self::scanner::Scanned;
pub(crate) use self::text::Text;

/// Whether a text is one placeholder, and nothing else.
pub(crate) fn is_placeholder(text: &str) -> bool {
    Placeholder::read(text).is_some_and(|(length, _)| length == text.len())
}

/// A command that was read as the shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    /// The command gives positional parameters values of its own.
    rebinds: bool,
}

/// Part of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Goes to the shell as it is.
    Text(String),
    /// A placeholder, and how it is quoted where it stands.
    Hole(Placeholder, Quoting),
}

/// How the shell reads the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    /// Unquoted text.
    Bare,
    /// Between single quotes.
    Single,
    /// Between double quotes.
    Double,
    /// In the text of a here-document.
    Here,
}

impl Template {
    /// Finds the placeholders; without any, the arguments are appended to the command, as GNU parallel does. `columns`
    /// is how many arguments each task has, if that is known.
    ///
    /// # Errors
    /// When a placeholder stands where the shell has no safe place for a parameter, or names an argument that no task
    /// has.
    pub(crate) fn parse(command: &str, columns: Option<usize>) -> Result<Self, TemplateError> {
        let several = columns != Some(1);
        let mut scanned = scanner::scan(command, several)?;
        let has_place = |scanned: &Scanned| scanned.pieces.iter().any(|piece| piece.placeholder().is_some());
        // a task that is given nothing needs no place for it
        if columns != Some(0) && !has_place(&scanned) {
            let open_end = scanned.open_end;
            // once more: what the argument is given to may evaluate it
            scanned = scanner::scan(&format!("{command} {{}}"), several)?;
            if !open_end || !has_place(&scanned) {
                return Err(TemplateError::NoPlace { command: command.into() });
            }
        }
        let template = Template { pieces: scanned.pieces, rebinds: scanned.rebinds };
        match columns.and_then(|columns| Some((columns, template.lacks(columns)?))) {
            Some((columns, placeholder)) => {
                Err(TemplateError::NoArgument { command: command.into(), placeholder, columns })
            }
            None => Ok(template),
        }
    }

    /// The first placeholder that names an argument which tasks of so many arguments do not have.
    pub(crate) fn lacks(&self, columns: usize) -> Option<String> {
        let mut holes = self.pieces.iter().filter_map(Piece::placeholder);
        holes.find(|hole| !hole.is_within(columns)).map(ToString::to_string)
    }
}

impl Template {
    /// The same, for tasks that are not counted as they are submitted: each is told its number by the script.
    pub(crate) fn numbered(mut self) -> Self {
        let number = Piece::Hole(Placeholder::Number, Quoting::Bare);
        let prefix = [Piece::Text("PARALLEL_SEQ=".into()), number, Piece::Text("\n".into())];
        self.pieces.splice(0..0, prefix);
        self
    }
}

impl Piece {
    fn placeholder(&self) -> Option<&Placeholder> {
        match self {
            Piece::Text(_) => None,
            Piece::Hole(placeholder, _) => Some(placeholder),
        }
    }
}

#[cfg(test)]
mod tests;
