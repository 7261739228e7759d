//! Reads a shell command as POSIX sh does (XCU section 2, "Shell Command Language"), as far as needed to know how each
//! placeholder is quoted. A mistake here could pass an argument in pieces, but not execute it: arguments reach the
//! shell as parameters only. What bash makes of these where it evaluates or expands twice is told in `evaluated`.

mod evaluated;
mod here;
mod quotes;
mod words;

use self::here::Here;
use self::words::{Inside, Words};
use super::placeholder::Placeholder;
use super::{Piece, Quoting, TemplateError};

/// Brackets inside brackets: far beyond any command, and far below the stack's end.
const DEPTH_LIMIT: usize = 64;

/// What the scanner made of a command.
pub(super) struct Scanned {
    pub(super) pieces: Vec<Piece>,
    /// The command defines functions or sets positional parameters, so that `$1` is not the task's everywhere.
    pub(super) rebinds: bool,
    /// Whether a further word at the end would be one more argument of the last command.
    pub(super) open_end: bool,
}

/// Reads a command; tasks may have `several` arguments, so that `{}` may be several words.
pub(super) fn scan(command: &str, several: bool) -> Result<Scanned, TemplateError> {
    let mut scanner = Scanner::new(command, command);
    scanner.several = several;
    let open_end = scanner.bare(None)?;
    Ok(Scanned { pieces: scanner.pieces, rebinds: scanner.rebinds, open_end })
}

struct Scanner<'a> {
    /// The user's command, for messages.
    command: &'a str,
    /// What is read: the command, or a part of it that a shell reads by itself.
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    rebinds: bool,
    depth: usize,
    /// How many arithmetic brackets are open: their text is evaluated again by some shells.
    arithmetic: usize,
    /// Here-documents announced on this line.
    here: Vec<Here>,
    /// Associative arrays that were declared.
    maps: Vec<String>,
    several: bool,
}

impl<'a> Scanner<'a> {
    fn new(command: &'a str, text: &'a str) -> Self {
        let (pieces, here, maps) = (Vec::new(), Vec::new(), Vec::new());
        Scanner {
            command,
            text,
            at: 0,
            pieces,
            rebinds: false,
            depth: 0,
            arithmetic: 0,
            here,
            maps,
            several: true,
        }
    }

    /// Has a scanner of its own read `text`, which is part of the command, and takes over what it made of it.
    fn within(
        &mut self,
        text: &str,
        read: impl FnOnce(&mut Scanner<'_>) -> Result<(), TemplateError>,
    ) -> Result<(), TemplateError> {
        let mut inner = Scanner::new(self.command, text);
        (inner.depth, inner.arithmetic, inner.several) = (self.depth, self.arithmetic, self.several);
        read(&mut inner)?;
        self.rebinds |= inner.rebinds;
        for piece in inner.pieces {
            match piece {
                Piece::Text(text) => self.push(&text),
                hole => self.pieces.push(hole),
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Adds text to what the scanner makes.
    fn push(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Copies `count` characters, or as many as there are.
    fn copy(&mut self, count: usize) {
        let rest = self.rest();
        let end = rest.char_indices().nth(count).map_or(rest.len(), |(at, _)| at);
        self.push(&rest[..end]);
        self.at += end;
    }

    fn placeholder(&self) -> Option<(usize, Placeholder)> {
        Placeholder::read(self.rest())
    }

    /// Takes note of the placeholder here.
    fn replace(
        &mut self,
        (length, placeholder): (usize, Placeholder),
        quoting: Quoting,
    ) -> Result<(), TemplateError> {
        let quoting = match (placeholder.is_number(), self.arithmetic > 0) {
            // quotes are no part of an expression
            (true, true) => Quoting::Double,
            _ => quoting,
        };
        if self.arithmetic > 0 && !placeholder.is_number() {
            return Err(self.misplaced(
                "arithmetic brackets",
                "shells such as bash evaluate what is in $(( )) as an expression: compute with expr, bc or awk; \
                 where two brackets only begin a subshell, put a blank between them",
            ));
        }
        self.pieces.push(Piece::Hole(placeholder, quoting));
        self.at += length;
        Ok(())
    }

    fn misplaced(&self, place: &'static str, instead: &'static str) -> TemplateError {
        TemplateError::Misplaced { command: self.command.into(), place, instead }
    }

    fn unterminated(&self, what: &'static str) -> TemplateError {
        TemplateError::Unterminated { command: self.command.into(), what }
    }

    /// Commands, up to `end`, which it takes. Says whether a word at its end would be one more argument.
    fn bare(&mut self, end: Option<char>) -> Result<bool, TemplateError> {
        self.unquoted(end, Inside::Commands)
    }

    /// Unquoted text, up to `end`.
    fn unquoted(&mut self, end: Option<char>, inside: Inside) -> Result<bool, TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(TemplateError::TooDeep { command: self.command.into(), limit: DEPTH_LIMIT });
        }
        let mut words = Words::new(inside);
        while let Some(c) = self.peek() {
            if Some(c) == end && words.cases == 0 {
                self.end_command(&mut words)?;
                self.copy(1);
                self.depth -= 1;
                return Ok(true);
            }
            self.bare_one(c, &mut words)?;
        }
        self.depth -= 1;
        self.end_command(&mut words)?;
        if end.is_some() { Err(self.unterminated("a bracket")) } else { Ok(!words.command && !words.comment) }
    }

    fn bare_one(&mut self, c: char, words: &mut Words) -> Result<(), TemplateError> {
        if words.at_start && !matches!(c, ' ' | '\t') {
            self.keyword(words);
        }
        self.follow(c, words)?;
        if let Some(found) = self.placeholder() {
            words.at_start = false;
            return self.replace(found, Quoting::Bare);
        }
        let starts_word = std::mem::replace(&mut words.at_start, false);
        match c {
            '\\' => self.copy(2),
            '\'' => self.single()?,
            '"' => self.double()?,
            '`' => self.backticks(false)?,
            '$' => self.dollar(false)?,
            '#' if starts_word => {
                let line = self.rest().find('\n').unwrap_or(self.rest().len());
                let count = self.rest()[..line].chars().count();
                self.copy(count);
                words.comment = true;
            }
            '(' => self.open_bracket(words)?,
            '<' if self.rest().starts_with("<<") && self.arithmetic == 0 => {
                // the delimiter is read here, the text of `<<<` is a word
                words.redirects = self.rest().starts_with("<<<");
                self.announce_here_document();
            }
            '\n' => {
                self.copy(1);
                self.here_documents()?;
                (words.at_start, words.command, words.comment) = (true, true, false);
            }
            ' ' | '\t' | '<' | '>' => {
                self.copy(1);
                words.at_start = true;
            }
            ';' | '&' | '|' | ')' => {
                self.copy(1);
                words.at_start = true;
                words.command = c != ')' || words.cases > 0;
            }
            _ => self.copy(1),
        }
        Ok(())
    }

    /// At the start of a word: keeps count of `case` and `esac`, and of where commands begin.
    fn keyword(&mut self, words: &mut Words) {
        if !words.command {
            return;
        }
        let end = |c: char| c.is_ascii_whitespace() || ";&|()<>".contains(c);
        match self.rest().split(end).next().unwrap_or("") {
            "" => return,
            comment if comment.starts_with('#') => return,
            "if" | "then" | "elif" | "else" | "while" | "until" | "do" | "{" | "!" => return,
            "case" => words.cases += 1,
            "esac" => words.cases = words.cases.saturating_sub(1),
            "set" | "shift" | "function" | "." | "source" | "eval" => self.rebinds = true,
            _ => {}
        }
        words.command = false;
    }

    fn open_bracket(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        let arithmetic = self.rest().starts_with("((");
        // `name()`: in the function's body `$1` is its own
        self.rebinds |= self.rest()[1..].trim_start_matches([' ', '\t']).starts_with(')');
        let inside = self.bracket(words);
        // `<(command)` is a word
        let substitutes = self.text[..self.at].ends_with(['<', '>']);
        self.copy(1);
        self.arithmetic += arithmetic as usize;
        self.unquoted(Some(')'), inside)?;
        self.arithmetic -= arithmetic as usize;
        if inside == Inside::Commands && !substitutes {
            words.forget();
        }
        // what follows is an operator, or the body of the function that `name()` defines
        words.at_start = true;
        words.command = true;
        Ok(())
    }
}
