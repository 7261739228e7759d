//! Scripts that need no shell: one command of plain words and quoted parameters, which is started directly at half the
//! cost. Whatever is not certain to mean the same without a shell is left to the shell.
//!
//! A script qualifies when it consists of words between blanks, and each word of these pieces:
//!
//! - bare characters that mean themselves everywhere in every shell: letters, digits and `_ - . / : , + @ %`, and `=`
//!   in all words but the first (there it would be an assignment),
//! - text in single quotes,
//! - text in double quotes without backslash and backquote, in which `$1` to `$9`, `${0}`, `${1}`, `${12}` ... stand for
//!   the positional parameters; a parameter that is not set is empty; `"$@"` and `"${@}"` as a whole word are all
//!   parameters.
//!
//! After the parameters are filled in, the first word must be no name that some shell treats itself, and a program with
//! that name must be there; all else, such as "not found" or a script without `#!`, is the shell's to deal with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use bytes::Bytes;

/// A script that needs no shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Pieces(Vec<Piece>),
    /// `"$@"`
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${0}` is the name that the shell would be given.
    Parameter(usize),
}

/// Names that a shell may treat itself: reserved words, and builtins of dash, bash, ksh, mksh and zsh that
/// differ from a program of that name (`cat` and `sleep` do not).
const SHELL_NAMES: &str = "
    ! [ [[ ]] alias autoload bg bind break builtin bye caller case cd chdir command compadd compgen
    complete compopt continue coproc declare dirs disable disown do done echo echotc elif else emulate
    enable esac eval exec exit export false fc fg fi float for foreach function functions getln getopts
    global hash help history if in integer jobs kill let limit local logout mapfile nameref namespace
    newgrp nocorrect noglob popd print printf pushd pwd r read readarray readonly redirect rehash repeat
    return sched select set setopt shift shopt source stop suspend test then time times trap true type
    typeset ulimit umask unalias unfunction unhash unlimit unset unsetopt until vared wait whence where
    while zcompile zmodload zstyle { }
";

impl Script {
    /// Reads a script; `None` when it needs a shell.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        let mut rest = text.trim_matches([' ', '\t', '\n']);
        while !rest.is_empty() {
            let (word, after) = word(rest, words.is_empty())?;
            words.push(word);
            rest = after.trim_start_matches([' ', '\t']);
        }
        (!words.is_empty()).then_some(Script { words })
    }

    /// The words with their parameters filled in; `None` when the first of them is the shell's business.
    pub(super) fn expand(&self, name: &str, arguments: &[Bytes]) -> Option<Vec<OsString>> {
        let mut expanded = Vec::with_capacity(self.words.len() + arguments.len());
        for word in &self.words {
            match word {
                Word::All => {
                    expanded.extend(arguments.iter().map(|argument| OsStr::from_bytes(argument).to_owned()))
                }
                Word::Pieces(pieces) => {
                    let mut bytes = Vec::new();
                    for piece in pieces {
                        match piece {
                            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                            Piece::Parameter(0) => bytes.extend_from_slice(name.as_bytes()),
                            Piece::Parameter(number) => {
                                bytes.extend_from_slice(arguments.get(number - 1).map_or(&[], Bytes::as_ref));
                            }
                        }
                    }
                    expanded.push(OsString::from_vec(bytes));
                }
            }
        }
        let program = expanded.first()?;
        let own = SHELL_NAMES.split_ascii_whitespace().any(|name| program == name);
        (!program.is_empty() && !own).then_some(expanded)
    }
}

/// The first word of `text`, and what follows it.
fn word(text: &str, first: bool) -> Option<(Word, &str)> {
    for all in ["\"$@\"", "\"${@}\""] {
        if let Some(after) = text.strip_prefix(all)
            && (after.is_empty() || after.starts_with([' ', '\t']))
        {
            return Some((Word::All, after));
        }
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        match next {
            ' ' | '\t' => break,
            '\'' => {
                let end = rest[1..].find('\'')? + 1;
                pieces.push(Piece::Text(rest[1..end].to_owned()));
                rest = &rest[end + 1..];
            }
            '"' => {
                let end = rest[1..].find('"')? + 1;
                quoted(&rest[1..end], &mut pieces)?;
                rest = &rest[end + 1..];
            }
            _ => {
                let end = rest.find(|c| !is_plain(c, first)).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                pieces.push(Piece::Text(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
    }
    Some((Word::Pieces(pieces), rest))
}

/// What stands between double quotes.
fn quoted(mut text: &str, pieces: &mut Vec<Piece>) -> Option<()> {
    while let Some(at) = text.find(['$', '\\', '`']) {
        if !text[at..].starts_with('$') {
            return None;
        }
        pieces.push(Piece::Text(text[..at].to_owned()));
        let rest = &text[at + 1..];
        let (digits, after) = match rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?,
            None => rest.split_at_checked(1)?,
        };
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        pieces.push(Piece::Parameter(digits.parse().ok()?));
        text = after;
    }
    pieces.push(Piece::Text(text.to_owned()));
    Some(())
}

fn is_plain(c: char, first: bool) -> bool {
    c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c) || (c == '=' && !first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(script: &str, arguments: &[&str]) -> Option<Vec<String>> {
        let arguments: Vec<Bytes> =
            arguments.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        let words = Script::parse(script)?.expand("rpar", &arguments)?;
        Some(words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn simple_commands_need_no_shell() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("/bin/true", &[], &["/bin/true"]),
            ("  gzip  -k \"${1}\" ", &["a b"], &["gzip", "-k", "a b"]),
            ("cc -O2 -DX=1 '$x *' \"a ${2}$1\"z", &["1", "2"], &["cc", "-O2", "-DX=1", "$x *", "a 21z"]),
            ("./x \"$10\" \"${10}\" \"${3}\"", &["a"], &["./x", "a0", "", ""]),
            ("ls \"$@\"", &["a", "$(b)"], &["ls", "a", "$(b)"]),
            ("ls \"$@\"", &[], &["ls"]),
            ("ls ''", &[], &["ls", ""]),
            ("\"${1}\" x", &["/bin/ls"], &["/bin/ls", "x"]),
            ("ls \"${0}\"", &[], &["ls", "rpar"]),
        ];
        for (script, arguments, expected) in cases {
            assert_eq!(expand(script, arguments).as_deref().unwrap_or_default(), *expected, "{script}");
        }
    }

    #[test]
    fn everything_else_does() {
        let scripts = [
            "",
            " ",
            "a; b",
            "a|b",
            "a &",
            "a > f",
            "a < f",
            "a $x",
            "a ${1}",
            "a *",
            "a ?",
            "a [b]",
            "a ~",
            "a {b,c}",
            "x=1 a",
            "a `b`",
            "a \"`b`\"",
            "a \"$(b)\"",
            "a \"\\$\"",
            "a \"${x}\"",
            "a \"${1:-b}\"",
            "a \"$#\"",
            "a 'b",
            "a \"b",
            "a \\b",
            "# a",
            "a #b",
            "a\nb",
            "! a",
            "(a)",
            "echo a",
            "cd /",
            "exec a",
            "if",
            "[ a ]",
            "a \"x$@\"",
            "'' a",
            "'test' a",
            "a \"$\"",
            "a !",
            "a ^b",
            "~/a",
            "a é",
        ];
        for script in scripts {
            assert_eq!(expand(script, &["1"]), None, "{script}");
        }
        assert_eq!(expand("\"${1}\" x", &["echo"]), None);
        assert_eq!(expand("\"${1}\" x", &[""]), None);
    }
}
