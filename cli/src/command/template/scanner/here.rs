//! Here-documents: the text after a line that announces them.

use super::Scanner;
use crate::command::template::placeholder::Placeholder;
use crate::command::template::{Quoting, TemplateError};

/// A here-document that was announced, and whose text begins after the line's end.
pub(super) struct Here {
    delimiter: String,
    /// Tabs at the beginning of its lines are dropped.
    strip: bool,
    /// Part of the delimiter was quoted: nothing in the text is expanded.
    quoted: bool,
}

impl Scanner<'_> {
    /// At `<<`: notes the delimiter.
    pub(super) fn announce_here_document(&mut self) {
        if self.rest().starts_with("<<<") {
            return self.copy(3);
        }
        self.copy(2);
        let strip = self.peek() == Some('-');
        self.copy(strip as usize);
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.copy(1);
        }
        let mut here = Here { delimiter: String::new(), strip, quoted: false };
        let mut quote = None;
        while let Some(c) = self.peek() {
            if quote.is_none() && (c.is_whitespace() || ";&|()<>".contains(c)) {
                break;
            }
            match c {
                '\'' | '"' if quote.is_none() => (quote, here.quoted) = (Some(c), true),
                _ if quote == Some(c) => quote = None,
                '\\' => here.quoted = true,
                _ => here.delimiter.push(c),
            }
            self.copy(1);
        }
        self.here.push(here);
    }

    /// The texts of the here-documents that the line before announced.
    pub(super) fn here_documents(&mut self) -> Result<(), TemplateError> {
        for Here { delimiter, strip, quoted } in std::mem::take(&mut self.here) {
            let mut length = 0;
            for line in self.rest().split_inclusive('\n') {
                let text = line.trim_end_matches('\n');
                if (if strip { text.trim_start_matches('\t') } else { text }) == delimiter {
                    break;
                }
                length += line.len();
            }
            let text = &self.rest()[..length];
            if !text.char_indices().any(|(at, _)| Placeholder::read(&text[at..]).is_some()) {
                self.push(text);
            } else if quoted {
                return Err(self.misplaced(
                    "a here-document with a quoted delimiter",
                    "take the quotes off, so that the shell expands the text, and put a backslash before each $ ` \\ of it",
                ));
            } else {
                self.within(text, |inner| {
                    while let Some(c) = inner.peek() {
                        inner.expanding(c, Quoting::Here)?;
                    }
                    Ok(())
                })?;
            }
            self.at += length;
            // the line that ends it
            let line = self.rest().find('\n').map_or(self.rest().len(), |end| end + 1);
            self.push(&self.rest()[..line]);
            self.at += line;
        }
        Ok(())
    }
}
