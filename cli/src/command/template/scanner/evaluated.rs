//! Where bash evaluates a word as an expression, or takes it for a variable's name, whose subscript it evaluates: both
//! execute what is in `a[$(...)]`. Other shells than bash (where `sh` is not bash) know few of these, and execute nothing.

use super::words::Inside;

/// Stands for a placeholder in the words that are judged: no command holds it.
pub(super) const HOLE: char = '\0';

/// A place that evaluates what stands there, and what to write in its stead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Evaluated {
    pub(super) place: &'static str,
    pub(super) instead: &'static str,
}

pub(super) const COMPARED: Evaluated = Evaluated {
    place: "a [[ ]] that compares numbers",
    instead: "bash evaluates what it compares there as it does $(( )); [ ] only takes numbers: [ {} -gt 3 ]",
};
pub(super) const SUBSCRIPT: Evaluated = Evaluated {
    place: "the subscript of an array",
    instead: "bash evaluates subscripts as it does $(( )), but for arrays that declare -A has made before in the command",
};
pub(super) const EXPRESSION: Evaluated = Evaluated {
    place: "an expression",
    instead: "bash evaluates it as it does $(( )): compute with expr, bc or awk, cut with cut",
};
pub(super) const DUPLICATED: Evaluated = Evaluated {
    place: "the file of a >&",
    instead: "bash expands that name twice: > FILE 2>&1 means the same, and in every shell",
};
const NAME: Evaluated = Evaluated {
    place: "the name of a variable",
    instead: "bash evaluates the subscript that such a name may have: write the name itself, and map its value",
};

/// Variables of bash's own that hold a number, and evaluate what they are given.
const NUMBERS: [&str; 3] = ["RANDOM", "OPTIND", "HISTCMD"];

/// Operators of `[[ ]]` that evaluate both sides.
const COMPARISONS: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

/// Options of `read` that have a value.
const READ_VALUES: [char; 8] = ['a', 'd', 'i', 'n', 'N', 'p', 't', 'u'];

/// Whether a command that begins with these words evaluates a placeholder, as far as its text tells.
pub(super) fn evaluated(words: &[String], inside: Inside, maps: &[String]) -> Option<Evaluated> {
    if !words.iter().any(|word| has_hole(word)) {
        return None;
    }
    match inside {
        Inside::Map => return None,
        Inside::Array => {
            let word = words.first()?.strip_prefix('[')?;
            return word.rsplit_once("]=").filter(|(subscript, _)| has_hole(subscript)).map(|_| SUBSCRIPT);
        }
        Inside::Conditional => return conditional(words),
        Inside::Commands => {}
    }
    let (assignments, words) = split(words);
    if let Some(found) = assignments.iter().find_map(|word| assigned(word, maps)) {
        return Some(found);
    }
    let (name, rest) = words.split_first()?;
    if name.contains('[') && !name.starts_with('[') && !name.contains(']') {
        // a subscript may hold blanks
        return assigned(&words.join(" "), maps);
    }
    // the word after an option
    let after = |option: &str| {
        let attached =
            rest.iter().filter_map(|word| word.strip_prefix(option)).filter(|value| has_hole(value));
        let next = rest.iter().skip_while(|word| *word != option).nth(1).filter(|word| has_hole(word));
        attached.chain(next.map(String::as_str)).next().map(|_| NAME)
    };
    match name.as_str() {
        "let" => Some(EXPRESSION),
        "declare" | "typeset" | "local" => declared(rest),
        "printf" if rest.first().is_some_and(|word| word.starts_with("-v")) => after("-v"),
        "test" | "[" => after("-v"),
        "wait" => after("-p"),
        "unset" if !rest.iter().any(|word| word == "-f") => {
            rest.iter().any(|word| has_hole(word)).then_some(NAME)
        }
        "read" => names_read(rest).any(|word| has_hole(word)).then_some(NAME),
        _ => None,
    }
}

/// Whether the last of these words is where a command's name would be.
pub(super) fn is_first(words: &[String]) -> bool {
    split(words).1.len() == 1
}

/// The associative arrays that a command declares.
pub(super) fn maps(words: &[String]) -> Vec<String> {
    let (_, words) = split(words);
    let Some((name, rest)) = words.split_first() else { return Vec::new() };
    let (options, names) = options(rest);
    if !matches!(name.as_str(), "declare" | "typeset" | "local")
        || !options.iter().any(|word| word.contains('A'))
    {
        return Vec::new();
    }
    names.iter().map(|word| word.split(['=', '[']).next().unwrap_or("").to_owned()).collect()
}

/// Whether the array that these words begin to assign is an associative one.
pub(super) fn is_map(words: &[String], known: &[String]) -> bool {
    let name = words.last().map(|word| word.trim_end_matches(['=', '+'])).unwrap_or("");
    known.iter().any(|map| map == name) || maps(words).iter().any(|map| map == name)
}

fn has_hole(word: &str) -> bool {
    word.contains(HOLE)
}

/// The assignments before a command, and the command itself, without what the shell reads before it.
fn split(words: &[String]) -> (Vec<&String>, &[String]) {
    let (mut assignments, mut rest) = (Vec::new(), words);
    while let Some((word, after)) = rest.split_first() {
        rest = match word.as_str() {
            "if" | "then" | "elif" | "else" | "while" | "until" | "do" | "{" | "!" | "time" => after,
            "function" => after.get(1..).unwrap_or(&[]),
            "command" | "builtin" => {
                let options = after.iter().take_while(|word| word.starts_with('-')).count();
                &after[options..]
            }
            word if assignment(word).is_some() => after,
            // it may come to nothing
            word if word.starts_with(['$', '`']) => after,
            _ => break,
        };
        if assignment(word).is_some() {
            assignments.push(word);
        }
    }
    (assignments, rest)
}

/// The name, the subscript if any, and the value of an assignment.
fn assignment(word: &str) -> Option<(&str, Option<&str>, &str)> {
    let end = word.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())?;
    let (name, rest) = word.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (subscript, rest) = match rest.strip_prefix('[') {
        Some(inside) => {
            let end = inside.find("]=").or_else(|| inside.find("]+="))?;
            (Some(&inside[..end]), &inside[end + 1..])
        }
        None => (None, rest),
    };
    let value = rest.strip_prefix("+=").or_else(|| rest.strip_prefix('='))?;
    Some((name, subscript, value))
}

fn assigned(word: &str, maps: &[String]) -> Option<Evaluated> {
    let (name, subscript, value) = assignment(word)?;
    if subscript.is_some_and(has_hole) {
        return (!maps.iter().any(|map| map == name)).then_some(SUBSCRIPT);
    }
    (NUMBERS.contains(&name) && has_hole(value)).then_some(EXPRESSION)
}

/// The options at the start of a command's words, and the others.
fn options(words: &[String]) -> (&[String], &[String]) {
    words.split_at(words.iter().take_while(|word| word.starts_with(['-', '+'])).count())
}

/// What `declare` and its like do with their words.
fn declared(words: &[String]) -> Option<Evaluated> {
    let (options, names) = options(words);
    let has = |letters: &[char]| options.iter().any(|word| word.contains(letters));
    if has(&['p', 'f', 'F']) {
        return None;
    }
    if names.iter().any(|word| has_hole(word.split('=').next().unwrap_or(""))) {
        return Some(NAME);
    }
    // -i: the value is evaluated; -n: it is a name
    (has(&['i', 'n']) && names.iter().any(|word| has_hole(word))).then_some(EXPRESSION)
}

/// The variables that `read` reads.
fn names_read(words: &[String]) -> impl Iterator<Item = &String> {
    let mut value = false;
    words.iter().filter(move |word| {
        let is_value = value;
        let option = !is_value && word.starts_with('-');
        // what follows the letter in its word is the value
        value = option && word.find(READ_VALUES).is_some_and(|at| at + 1 == word.len());
        !option && !is_value
    })
}

/// What `[[ ]]` does with its words.
fn conditional(words: &[String]) -> Option<Evaluated> {
    let hole = |at: Option<usize>| at.and_then(|at| words.get(at)).is_some_and(|word| has_hole(word));
    words.iter().enumerate().find_map(|(at, word)| match word.as_str() {
        "-v" if hole(Some(at + 1)) => Some(NAME),
        word if COMPARISONS.contains(&word) && (hole(at.checked_sub(1)) || hole(Some(at + 1))) => {
            Some(COMPARED)
        }
        _ => None,
    })
}
