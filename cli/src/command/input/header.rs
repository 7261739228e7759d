//! `--header`: columns have names.

use bytes::Bytes;

use crate::command::template::is_placeholder;

/// What may follow a name in its braces.
const FORMS: [&str; 5] = ["", ".", "/", "//", "/."];

/// The text with `{2.}` for `{name.}`, where that is the second name. What is a placeholder anyhow stays one.
pub(super) fn numbered(text: &str, names: &[Bytes]) -> String {
    let mut text = text.to_owned();
    for (index, name) in names.iter().enumerate() {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        for form in FORMS {
            let named = format!("{{{name}{form}}}");
            if !is_placeholder(&named) {
                text = text.replace(&named, &format!("{{{}{form}}}", index + 1));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers() {
        let names: Vec<Bytes> = ["file", "", "2", "#", "a b", "x.y"].map(Bytes::from).to_vec();
        let cases = [
            ("cp {file} {file/.}.old", "cp {1} {1/.}.old"),
            ("{} {.} {2} {#} {a b//} {x.y.} {other}", "{} {.} {2} {#} {5//} {6.} {other}"),
        ];
        for (text, expected) in cases {
            assert_eq!(numbered(text, &names), expected);
        }
    }
}
