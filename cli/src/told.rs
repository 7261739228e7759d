//! What another rpar has told at its end, in the form that all of them use.

/// Error and hint of the report that a text ends with; `None` when it holds none.
pub(crate) fn report(text: &str) -> Option<(String, Option<String>)> {
    let report = match text.rsplit_once("\nerror: ") {
        Some((_, report)) => report,
        None => text.strip_prefix("error: ")?,
    };
    let (error, hint) = match report.trim_end().split_once("\n  hint: ") {
        Some((error, hint)) => (error, Some(hint.to_owned())),
        None => (report.trim_end(), None),
    };
    Some((error.replace("\n  caused by: ", ": "), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_wherever_it_stands() {
        let cases = [
            ("error: no disk", Some(("no disk", None))),
            ("error: no disk\n  caused by: smoke\n", Some(("no disk: smoke", None))),
            ("warning: x\nerror: no disk\n  hint: buy one\n", Some(("no disk", Some("buy one")))),
            ("error: an old one\nerror: no disk", Some(("no disk", None))),
            ("an error: none of ours", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(error, hint)| (error.to_owned(), hint.map(str::to_owned)));
            assert_eq!(report(text), expected, "{text}");
        }
    }
}
