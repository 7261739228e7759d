//! The words of unquoted text, as far as needed to know what becomes of a placeholder in them.

use super::evaluated::{DUPLICATED, Evaluated, HOLE, evaluated, is_first, is_map, maps};
use super::{Piece, Quoting, Scanner, TemplateError};
use crate::command::template::placeholder::{Column, Placeholder};

/// Where the scanner is between the words of unquoted text.
#[derive(Default)]
pub(super) struct Words {
    /// The next character begins a word.
    pub(super) at_start: bool,
    /// The next word is a command's name or a keyword.
    pub(super) command: bool,
    /// The text so far ends in a comment.
    pub(super) comment: bool,
    /// `case`s that wait for their `esac`: until then a `)` ends a pattern.
    pub(super) cases: usize,
    inside: Inside,
    /// The word that is being read.
    begun: Option<Mark>,
    /// The next word names the file of a redirection.
    pub(super) redirects: bool,
    /// That is written with `>&`.
    duplicates: bool,
    /// The words of this command before it.
    said: Vec<String>,
}

/// What the words are part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Inside {
    #[default]
    Commands,
    /// `[[ ]]`
    Conditional,
    /// `a=( )`
    Array,
    /// The same of an associative array, whose subscripts are text.
    Map,
}

/// A place in what the scanner has made.
struct Mark {
    pieces: usize,
    /// How much text the last piece had, if it is text.
    text_bytes: usize,
}

impl Words {
    /// At the start of a command.
    pub(super) fn new(inside: Inside) -> Self {
        Words { at_start: true, command: true, inside, ..Words::default() }
    }

    /// What was said so far is no part of the command that follows.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }
}

impl Scanner<'_> {
    /// Takes note of where words begin and end; to be called at each character of unquoted text.
    pub(super) fn follow(&mut self, c: char, words: &mut Words) -> Result<(), TemplateError> {
        // `2>&1` and `&>file` go on with the command
        let joins = c == '&' && (self.text[..self.at].ends_with(['<', '>']) || self.rest().starts_with("&>"));
        match c {
            ' ' | '\t' => self.end_word(words),
            '(' => {
                self.end_word(words)?;
                words.redirects = false;
                Ok(())
            }
            '<' | '>' => {
                self.end_word(words)?;
                words.redirects = true;
                Ok(())
            }
            '&' if joins => {
                self.end_word(words)?;
                words.duplicates = self.text[..self.at].ends_with('>');
                Ok(())
            }
            '\n' | ';' | '&' | '|' | ')' => self.end_command(words),
            '#' if words.at_start => Ok(()),
            _ => {
                if words.begun.is_none() {
                    words.begun = Some(self.mark());
                }
                Ok(())
            }
        }
    }

    fn mark(&self) -> Mark {
        let text_bytes = match self.pieces.last() {
            Some(Piece::Text(text)) => text.len(),
            _ => 0,
        };
        Mark { pieces: self.pieces.len(), text_bytes }
    }

    /// What was made since then, as it is written.
    fn since(&self, mark: &Mark) -> String {
        let mut said = String::new();
        if let Some(Piece::Text(text)) = mark.pieces.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            said += &text[mark.text_bytes..];
        }
        for piece in &self.pieces[mark.pieces..] {
            match piece {
                Piece::Text(text) => said += text,
                Piece::Hole(placeholder, _) => said.push(if placeholder.is_number() { '0' } else { HOLE }),
            }
        }
        said
    }

    /// Whether what was made since then is as many words as tasks have arguments.
    fn spreads(&self, mark: &Mark) -> bool {
        let all = |piece: &Piece| {
            matches!(piece, Piece::Hole(Placeholder::Argument(Column::All, _), Quoting::Bare))
        };
        self.pieces[mark.pieces..].iter().any(all)
    }

    fn end_word(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        let Some(mark) = words.begun.take() else { return Ok(()) };
        let word = self.since(&mark);
        // all arguments: those after the first are words of their own
        let more = self.several && self.spreads(&mark);
        let duplicates = std::mem::take(&mut words.duplicates);
        if std::mem::take(&mut words.redirects) {
            if duplicates && word.contains(HOLE) {
                return Err(self.misplaced(DUPLICATED.place, DUPLICATED.instead));
            }
            words.said.extend(more.then(|| HOLE.to_string()));
            return Ok(());
        }
        let closes = words.inside == Inside::Conditional && word == "]]";
        words.said.push(word.replace(['\'', '"', '\\'], ""));
        words.said.extend(more.then(|| HOLE.to_string()));
        match words.inside {
            Inside::Commands if word == "[[" && is_first(&words.said) => {
                words.inside = Inside::Conditional;
            }
            Inside::Array => self.judge(words)?,
            _ if closes => {
                self.judge(words)?;
                words.inside = Inside::Commands;
            }
            _ => {}
        }
        Ok(())
    }

    /// The end of a command, and of its last word.
    pub(super) fn end_command(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        self.end_word(words)?;
        words.redirects = false;
        self.judge(words)
    }

    /// Refuses a placeholder that these words would evaluate.
    fn judge(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        let said = std::mem::take(&mut words.said);
        self.maps.extend(maps(&said));
        match evaluated(&said, words.inside, &self.maps) {
            Some(Evaluated { place, instead }) => Err(self.misplaced(place, instead)),
            None => Ok(()),
        }
    }

    /// What a bracket holds that opens here.
    pub(super) fn bracket(&self, words: &Words) -> Inside {
        let assigns = self.text[..self.at].ends_with('=');
        match words.inside {
            Inside::Conditional => Inside::Conditional,
            _ if assigns && is_map(&words.said, &self.maps) => Inside::Map,
            _ if assigns => Inside::Array,
            _ => Inside::Commands,
        }
    }
}
