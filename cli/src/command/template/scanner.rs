//! Reads a shell command as POSIX sh does (XCU section 2, "Shell Command Language"), as far as needed to know how each
//! placeholder is quoted. A mistake here could pass an argument in pieces, but never execute it: arguments reach the
//! shell as parameters only.

use super::{PLACEHOLDERS, Part, TemplateError};

/// Brackets inside brackets: far beyond any command, and far below the stack's end.
const DEPTH_LIMIT: usize = 64;

/// What the scanner made of a command.
pub(super) struct Scanned {
    pub(super) script: String,
    /// What each positional parameter stands for, in order.
    pub(super) parts: Vec<Part>,
    /// Whether a further word at the end would be one more argument of the last command.
    pub(super) open_end: bool,
}

pub(super) fn scan(command: &str) -> Result<Scanned, TemplateError> {
    let mut scanner = Scanner {
        command,
        at: 0,
        script: String::with_capacity(command.len() + 16),
        parts: Vec::new(),
        depth: 0,
        arithmetic: 0,
        here: Vec::new(),
    };
    let open_end = scanner.bare(None)?;
    Ok(Scanned { script: scanner.script, parts: scanner.parts, open_end })
}

struct Scanner<'a> {
    command: &'a str,
    at: usize,
    script: String,
    parts: Vec<Part>,
    depth: usize,
    /// How many arithmetic brackets are open: their text is evaluated again by some shells.
    arithmetic: usize,
    /// Here-documents announced on this line: delimiter, and whether leading tabs are stripped.
    here: Vec<(String, bool)>,
}

/// Where the scanner is between the words of unquoted text.
struct Words {
    /// The next character begins a word.
    at_start: bool,
    /// The next word is a command's name or a keyword.
    command: bool,
    /// The text so far ends in a comment.
    comment: bool,
    /// `case`s that wait for their `esac`: until then a `)` ends a pattern.
    cases: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.command.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Copies `count` characters, or as many as there are.
    fn copy(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(c) = self.peek() {
                self.script.push(c);
                self.at += c.len_utf8();
            }
        }
    }

    fn placeholder(&self) -> Option<(usize, Part)> {
        let rest = self.rest();
        PLACEHOLDERS.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, part)| (text.len(), *part))
    }

    /// Replaces the placeholder here by its parameter between `open` and `close`.
    fn replace(
        &mut self,
        (length, part): (usize, Part),
        open: &str,
        close: &str,
    ) -> Result<(), TemplateError> {
        if self.arithmetic > 0 {
            return Err(self.misplaced(
                "arithmetic brackets",
                "shells such as bash evaluate what is in $(( )) as an expression: compute with expr, bc or awk; \
                 where two brackets only begin a subshell, put a blank between them",
            ));
        }
        let index = self.parts.iter().position(|known| *known == part).unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        });
        self.script.push_str(&format!("{open}${{{}}}{close}", index + 1));
        self.at += length;
        Ok(())
    }

    fn misplaced(&self, place: &'static str, instead: &'static str) -> TemplateError {
        TemplateError::Misplaced { command: self.command.into(), place, instead }
    }

    fn unterminated(&self, what: &'static str) -> TemplateError {
        TemplateError::Unterminated { command: self.command.into(), what }
    }

    /// Unquoted text, up to `end`, which it takes. Says whether a word at its end would be one more argument.
    fn bare(&mut self, end: Option<char>) -> Result<bool, TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(TemplateError::TooDeep { command: self.command.into(), limit: DEPTH_LIMIT });
        }
        let mut words = Words { at_start: true, command: true, comment: false, cases: 0 };
        while let Some(c) = self.peek() {
            if Some(c) == end && words.cases == 0 {
                self.copy(1);
                self.depth -= 1;
                return Ok(true);
            }
            self.bare_one(c, &mut words)?;
        }
        self.depth -= 1;
        if end.is_some() { Err(self.unterminated("a bracket")) } else { Ok(!words.command && !words.comment) }
    }

    fn bare_one(&mut self, c: char, words: &mut Words) -> Result<(), TemplateError> {
        if words.at_start && !matches!(c, ' ' | '\t') {
            self.keyword(words);
        }
        if let Some(found) = self.placeholder() {
            words.at_start = false;
            return self.replace(found, "\"", "\"");
        }
        let starts_word = std::mem::replace(&mut words.at_start, false);
        match c {
            '\\' => self.copy(2),
            '\'' => self.single()?,
            '"' => self.double()?,
            '`' => self.backticks()?,
            '$' => self.dollar(false)?,
            '#' if starts_word => {
                let line = self.rest().find('\n').unwrap_or(self.rest().len());
                let count = self.rest()[..line].chars().count();
                self.copy(count);
                words.comment = true;
            }
            '(' => self.open_bracket(words)?,
            '<' if self.rest().starts_with("<<") && self.arithmetic == 0 => self.announce_here_document()?,
            '\n' => {
                self.copy(1);
                self.here_documents()?;
                *words = Words { at_start: true, command: true, comment: false, cases: words.cases };
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
    fn keyword(&self, words: &mut Words) {
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
            _ => {}
        }
        words.command = false;
    }

    fn open_bracket(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        let arithmetic = self.rest().starts_with("((");
        self.copy(1);
        self.arithmetic += arithmetic as usize;
        self.bare(Some(')'))?;
        self.arithmetic -= arithmetic as usize;
        // what follows is an operator, or the body of the function that `name()` defines
        words.at_start = true;
        words.command = true;
        Ok(())
    }

    fn single(&mut self) -> Result<(), TemplateError> {
        self.copy(1);
        loop {
            if let Some(found) = self.placeholder() {
                self.replace(found, "'\"", "\"'")?;
                continue;
            }
            let c = self.peek().ok_or_else(|| self.unterminated("a single quote"))?;
            self.copy(1);
            if c == '\'' {
                return Ok(());
            }
        }
    }

    fn double(&mut self) -> Result<(), TemplateError> {
        self.copy(1);
        loop {
            if let Some(found) = self.placeholder() {
                self.replace(found, "", "")?;
                continue;
            }
            match self.peek().ok_or_else(|| self.unterminated("a double quote"))? {
                '"' => {
                    self.copy(1);
                    return Ok(());
                }
                '\\' => {
                    self.at += 1;
                    self.script.push('\\');
                    if self.placeholder().is_some() {
                        // a backslash is itself here, but would escape the parameter's `$`
                        self.script.push('\\');
                    } else {
                        self.copy(1);
                    }
                }
                '$' => self.dollar(true)?,
                '`' => self.backticks()?,
                _ => self.copy(1),
            }
        }
    }

    /// What a `$` begins.
    fn dollar(&mut self, quoted: bool) -> Result<(), TemplateError> {
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
        } else {
            let special = rest.chars().nth(1).is_some_and(|c| "$#?!*@-".contains(c));
            self.copy(1 + special as usize);
        }
        Ok(())
    }

    /// Inside `${...}`.
    fn parameter(&mut self, quoted: bool) -> Result<(), TemplateError> {
        let refused = self.misplaced("${...}", "give it a name first: a={}; echo \"${other:-$a}\"");
        if self
            .command
            .get(self.at - 1..)
            .is_some_and(|text| PLACEHOLDERS.iter().any(|(p, _)| text.starts_with(p)))
        {
            // `${#}` and its like are the shell's own, except `${}`, which can only be a mistake
            if self.rest().starts_with('}') {
                return Err(refused);
            }
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
                    self.verbatim('\'', "${...}", "give it a name first: a={}; echo \"${other:-$a}\"")?;
                }
                '"' => {
                    self.copy(1);
                    self.verbatim('"', "${...}", "give it a name first: a={}; echo \"${other:-$a}\"")?;
                }
                '$' => self.dollar(quoted)?,
                '`' => self.backticks()?,
                _ => self.copy(1),
            }
        }
    }

    fn backticks(&mut self) -> Result<(), TemplateError> {
        self.copy(1);
        self.verbatim('`', "backticks", "write $(COMMAND {}) in place of `COMMAND {}`")
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

    /// At `<<`: notes the delimiter; the text begins after the line's end.
    fn announce_here_document(&mut self) -> Result<(), TemplateError> {
        if self.rest().starts_with("<<<") {
            self.copy(3);
            return Ok(());
        }
        self.copy(2);
        let strip = self.peek() == Some('-');
        self.copy(strip as usize);
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.copy(1);
        }
        let mut delimiter = String::new();
        let mut quote = None;
        while let Some(c) = self.peek() {
            if quote.is_none() && (c.is_whitespace() || ";&|()<>".contains(c)) {
                break;
            }
            match c {
                '\'' | '"' if quote.is_none() => quote = Some(c),
                _ if quote == Some(c) => quote = None,
                '\\' => {}
                _ => delimiter.push(c),
            }
            self.copy(1);
        }
        self.here.push((delimiter, strip));
        Ok(())
    }

    /// Copies the texts of the here-documents that the line before announced.
    fn here_documents(&mut self) -> Result<(), TemplateError> {
        for (delimiter, strip) in std::mem::take(&mut self.here) {
            while !self.rest().is_empty() {
                let line = self.rest().split_inclusive('\n').next().unwrap_or("").to_owned();
                if PLACEHOLDERS.iter().any(|(text, _)| line.contains(text)) {
                    let instead = "feed it through a pipe: printf '%s\\n' {} | COMMAND";
                    return Err(self.misplaced("a here-document", instead));
                }
                self.at += line.len();
                self.script.push_str(&line);
                let text = line.trim_end_matches('\n');
                if (if strip { text.trim_start_matches('\t') } else { text }) == delimiter {
                    break;
                }
            }
        }
        Ok(())
    }
}
