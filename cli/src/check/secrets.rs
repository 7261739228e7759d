//! Secrets that somebody has written into a profile: job scripts can be read by everybody at most sites.

use std::sync::LazyLock;

use regex::Regex;
use toml::Value;

use super::finding::Finding;
use crate::profile::Profile;

/// Forms that secrets have, and what each is. A value that is a variable or a command is none.
static FORMS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let forms = [
        (
            "a password or token",
            r#"(?i)\b[a-z0-9_]*(?:password|passwd|secret|token|api_?key|access_?key)[a-z0-9_]*\s*[=:]\s*['"]?[^\s$'"`{<]{4,}"#,
        ),
        ("a private key", "-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("a password in an address", r"[a-z][a-z0-9+.-]*://[^\s/:@$]+:[^\s/@$]+@"),
    ];
    // constants, which a test reads
    forms.into_iter().filter_map(|(what, form)| Some((what, Regex::new(form).ok()?))).collect()
});

/// A warning for each value that looks as if it held one.
pub(crate) fn lint(profile: &Profile) -> Vec<Finding> {
    let values = profile.values().into_iter();
    values
        .filter_map(|(key, value)| {
            let what = texts(&value).into_iter().find_map(secret)?;
            let place = profile.origins().place(&key);
            Some(
                Finding::warning(format!("`{key}` seems to hold {what}"))
                    .at(place)
                    .because("profiles, job scripts and command lines can be read by others")
                    .next("keep it in a file that only its owner can read, and name that file"),
            )
        })
        .collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn secret(text: &str) -> Option<&'static str> {
    FORMS.iter().find(|(_, form)| form.is_match(text)).map(|(what, _)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret() {
        for text in ["export DB_PASSWORD=hunter22", "TOKEN='abcdef'", "-----BEGIN RSA PRIVATE KEY-----"] {
            assert!(secret(text).is_some(), "{text}");
        }
        assert_eq!(secret("curl https://ann:hunter2@site.org/x"), Some("a password in an address"));
        for text in [
            "module load python",
            "export TOKEN=$(cat ~/.token)",
            "export TOKEN_FILE=\"$HOME/token\"",
            "--token={{ x }}",
            "http://proxy:3128/",
            "git clone git@site.org:x",
        ] {
            assert_eq!(secret(text), None, "{text}");
        }
    }
}
