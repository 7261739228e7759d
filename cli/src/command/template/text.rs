//! Text with placeholders that no shell reads: what `--tagstring` is given.

use rpar_core::id::EngineId;

use super::TemplateError;
use super::placeholder::{Placeholder, Value};
use crate::command::input::Record;

/// The text, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Plain(String),
    Hole(Placeholder),
}

impl Text {
    /// Finds the placeholders; `\t` is a tab, as in GNU parallel. `columns` is how many arguments each task has, if that is
    /// known.
    ///
    /// # Errors
    /// When a placeholder names an argument that no task has.
    pub(crate) fn parse(text: &str, columns: Option<usize>) -> Result<Self, TemplateError> {
        let (mut parts, mut rest, mut plain) = (Vec::new(), text, String::new());
        while let Some(c) = rest.chars().next() {
            if let Some((length, placeholder)) = Placeholder::read(rest) {
                if columns.is_some_and(|columns| !placeholder.is_within(columns)) {
                    let placeholder = placeholder.to_string();
                    let columns = columns.unwrap_or_default();
                    return Err(TemplateError::NoArgument {
                        command: format!("--tagstring {text}"),
                        placeholder,
                        columns,
                    });
                }
                parts.extend([Part::Plain(std::mem::take(&mut plain)), Part::Hole(placeholder)]);
                rest = &rest[length..];
            } else if let Some(after) = rest.strip_prefix("\\t") {
                plain.push('\t');
                rest = after;
            } else {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        parts.push(Part::Plain(plain));
        Ok(Text { parts })
    }

    /// The text for a task on this engine.
    pub(crate) fn of(&self, record: &Record, engine: Option<EngineId>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &self.parts {
            match part {
                Part::Plain(plain) => text.extend_from_slice(plain.as_bytes()),
                Part::Hole(placeholder) => {
                    let values = placeholder.values(record.arguments.len());
                    let values = values.into_iter().map(|value| match (value, engine) {
                        (Value::Slot, Some(engine)) => engine.slot().to_string().into(),
                        (value, _) => value.of(record),
                    });
                    text.extend(values.collect::<Vec<_>>().join(&b' '));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_for_a_task() {
        let record = Record { number: 7, arguments: vec!["a/b.c".into(), "d  e".into()], alike: 0 };
        let cases = [
            ("x", "x"),
            ("{}", "a/b.c d  e"),
            ("{1/.}-{-1}:{#}\\t{%}", "b-d  e:7\t4"),
            ("'{2}' {x} {", "'d  e' {x} {"),
        ];
        for (text, expected) in cases {
            let text = Text::parse(text, Some(2)).unwrap().of(&record, Some(EngineId(3)));
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        assert!(matches!(Text::parse("{3}", Some(2)), Err(TemplateError::NoArgument { .. })));
        assert!(Text::parse("{3}", None).unwrap().of(&record, None).is_empty());
    }
}
