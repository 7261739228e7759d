//! What stands between quotes, and what a `$` begins.

use super::Scanner;
use super::evaluated::{EXPRESSION, Evaluated, SUBSCRIPT};
use crate::command::template::placeholder::Placeholder;
use crate::command::template::{Quoting, TemplateError};

/// What to write in place of a placeholder in `${...}`.
const NAMED: &str = "give it a name first: a={}; echo \"${other:-$a}\"";

/// Whether what follows this beginning of a `${...}` is evaluated: `${a[`, and `${a:` where that is not `${a:-` and its
/// like.
fn expression(begun: &str) -> Option<Evaluated> {
    let rest = begun.trim_start_matches(['!', '#']);
    let rest = rest.trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric());
    match rest.strip_prefix(':') {
        _ if rest.starts_with('[') && !rest.contains(']') => Some(SUBSCRIPT),
        Some(after) if !after.starts_with(['-', '=', '?', '+']) => Some(EXPRESSION),
        _ => None,
    }
}

impl Scanner<'_> {
    pub(super) fn single(&mut self) -> Result<(), TemplateError> {
        self.copy(1);
        loop {
            if let Some(found) = self.placeholder() {
                self.replace(found, Quoting::Single)?;
                continue;
            }
            let c = self.peek().ok_or_else(|| self.unterminated("a single quote"))?;
            self.copy(1);
            if c == '\'' {
                return Ok(());
            }
        }
    }

    pub(super) fn double(&mut self) -> Result<(), TemplateError> {
        self.copy(1);
        loop {
            match self.peek().ok_or_else(|| self.unterminated("a double quote"))? {
                '"' => {
                    self.copy(1);
                    return Ok(());
                }
                c => self.expanding(c, Quoting::Double)?,
            }
        }
    }

    /// One character, or what it begins, where the shell expands but does not split.
    pub(super) fn expanding(&mut self, c: char, quoting: Quoting) -> Result<(), TemplateError> {
        if let Some(found) = self.placeholder() {
            return self.replace(found, quoting);
        }
        match c {
            '\\' => {
                self.copy(1);
                if self.placeholder().is_some() {
                    // a backslash is itself here, but would escape the parameter's `$`
                    self.push("\\");
                } else {
                    self.copy(1);
                }
            }
            '$' => self.dollar(true)?,
            '`' => self.backticks(quoting == Quoting::Double)?,
            _ => self.copy(1),
        }
        Ok(())
    }

    /// What a `$` begins.
    pub(super) fn dollar(&mut self, quoted: bool) -> Result<(), TemplateError> {
        let rest = self.rest();
        if rest.starts_with("$(") {
            let arithmetic = rest.starts_with("$((");
            // a command substitution inside arithmetic is a command again, but its output is evaluated: refused too
            self.arithmetic += arithmetic as usize;
            self.copy(2);
            self.bare(Some(')'))?;
            self.arithmetic -= arithmetic as usize;
        } else if rest.starts_with("${") {
            self.copy(2);
            self.parameter(quoted)?;
        } else if rest.starts_with("$'") && !quoted {
            self.copy(2);
            self.verbatim('\'', "a $'...' quote", "write it without the $, or use printf")?;
        } else if rest.starts_with("$[") {
            self.copy(2);
            // bash evaluates it as it does $(( ))
            self.verbatim(']', "$[ ] brackets", "compute with expr, bc or awk")?;
        } else {
            let special = rest.chars().nth(1).is_some_and(|c| "$#?!*@-".contains(c));
            self.copy(1 + special as usize);
        }
        Ok(())
    }

    /// Inside `${...}`.
    fn parameter(&mut self, quoted: bool) -> Result<(), TemplateError> {
        let begun = self.at;
        self.parameter_text(quoted).map_err(|error| match (error, expression(&self.text[begun..self.at])) {
            (TemplateError::Misplaced { .. }, Some(found)) => self.misplaced(found.place, found.instead),
            (error, _) => error,
        })
    }

    fn parameter_text(&mut self, quoted: bool) -> Result<(), TemplateError> {
        let begun = self.at;
        let refused = self.misplaced("${...}", NAMED);
        // `${#}` and its like are the shell's own, except `${}`, which can only be a mistake
        if self.rest().starts_with('}') {
            return Err(refused);
        }
        loop {
            if self.placeholder().is_some() {
                return Err(refused);
            }
            match self.peek().ok_or_else(|| self.unterminated("a ${"))? {
                '}' => {
                    self.copy(1);
                    return Ok(());
                }
                '\\' => self.copy(2),
                '\'' if !quoted => {
                    self.copy(1);
                    self.verbatim('\'', "${...}", NAMED)?;
                }
                '"' => {
                    self.copy(1);
                    self.verbatim('"', "${...}", NAMED)?;
                }
                c @ ('$' | '`') => {
                    let evaluates = expression(&self.text[begun..self.at]).is_some();
                    self.arithmetic += evaluates as usize;
                    if c == '$' {
                        self.dollar(quoted)?
                    } else {
                        self.backticks(quoted)?
                    }
                    self.arithmetic -= evaluates as usize;
                }
                _ => self.copy(1),
            }
        }
    }

    /// A command between backticks: written as `$(...)` when it holds a placeholder, whose quotes would else have to be
    /// escaped again.
    pub(super) fn backticks(&mut self, quoted: bool) -> Result<(), TemplateError> {
        let mut inside = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        let end = loop {
            match characters.next() {
                None => return Err(self.unterminated("a backtick")),
                Some((at, '`')) => break at,
                Some((_, '\\')) => {
                    let Some((_, escaped)) = characters.next() else { continue };
                    if !("$`\\".contains(escaped) || quoted && escaped == '"') {
                        inside.push('\\');
                    }
                    inside.push(escaped);
                }
                Some((_, c)) => inside.push(c),
            }
        };
        if !inside.char_indices().any(|(at, _)| Placeholder::read(&inside[at..]).is_some()) {
            let count = self.rest()[..=end].chars().count();
            self.copy(count);
            return Ok(());
        }
        self.at += end + 1;
        // a blank, so that a bracket does not make it arithmetic; a line's end, since the command may end in a comment
        self.push("$( ");
        self.within(&inside, |inner| inner.bare(None).map(|_| ()))?;
        self.push("\n)");
        Ok(())
    }

    /// Copies up to and with an unescaped `end`; refuses placeholders.
    fn verbatim(
        &mut self,
        end: char,
        place: &'static str,
        instead: &'static str,
    ) -> Result<(), TemplateError> {
        loop {
            if self.placeholder().is_some() {
                return Err(self.misplaced(place, instead));
            }
            let c = self.peek().ok_or_else(|| self.unterminated(place))?;
            // between plain single quotes a backslash is itself, but those are read by `single`
            self.copy(if c == '\\' { 2 } else { 1 });
            if c == end {
                return Ok(());
            }
        }
    }
}
