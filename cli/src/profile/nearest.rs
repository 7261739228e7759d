//! Did you mean ...?

/// The candidate that `wrong` was most likely meant to be, if any is close: at most a third of its letters differ.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (wrong.chars().count() / 3).max(1);
    let distances =
        candidates.into_iter().map(|candidate| (strsim::osa_distance(wrong, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= bound).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_are_recognised_and_other_words_are_not() {
        assert_eq!(nearest("cavrer", ["carver", "local"]), Some("carver"));
        assert_eq!(nearest("walltim", ["walltime", "wait"]), Some("walltime"));
        assert_eq!(nearest("edison", ["carver", "local"]), None);
        assert_eq!(nearest("x", ["carver"]), None);
    }
}
