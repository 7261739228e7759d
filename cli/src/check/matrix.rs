//! Which values of the parameters are tried: the edges, where scripts break.

use std::collections::BTreeMap;

use rpar_core::profile::{Param, ParamType, ParamValue};

/// What the user could give for the parameters.
pub type Values = BTreeMap<String, String>;

/// More than any profile needs, so that long lists of choices cost no minutes.
const TRIED_LIMIT: usize = 200;

/// Every edge of every parameter with the others left at their defaults, then all smallest and all largest values at once;
/// the defaults come first.
pub(crate) fn edges(params: &[Param]) -> Vec<Values> {
    let mut tried = vec![Values::new()];
    for param in params {
        let one = |value: String| Values::from([(param.name.clone(), value)]);
        tried.extend(edges_of(param).into_iter().map(one));
    }
    for last in [false, true] {
        let extreme = |param: &Param| {
            let edges = edges_of(param);
            let value = if last { edges.last() } else { edges.first() };
            value.map(|value| (param.name.clone(), value.clone()))
        };
        tried.push(params.iter().filter_map(extreme).collect());
    }
    let mut seen = std::collections::BTreeSet::new();
    tried.retain(|values| seen.insert(values.clone()));
    tried.truncate(TRIED_LIMIT);
    tried
}

/// The values of a parameter that differ most.
pub(crate) fn edges_of(param: &Param) -> Vec<String> {
    if !param.choices.is_empty() {
        return param.choices.iter().map(ParamValue::to_string).collect();
    }
    match (&param.range, param.kind) {
        (Some((low, high)), _) => vec![low.to_string(), high.to_string()],
        (None, ParamType::Bool) => vec!["false".to_owned(), "true".to_owned()],
        // any will do for what has no bounds
        (None, ParamType::Duration) => vec!["00:01:00".to_owned(), "48:00:00".to_owned()],
        (None, ParamType::Int | ParamType::Float) => vec!["1".to_owned(), "1000".to_owned()],
        (None, ParamType::String | ParamType::Choice) => Vec::new(),
    }
}

/// A value unlike the default, to see what the parameter changes; `None` where there is no other.
pub(crate) fn other(param: &Param) -> Option<String> {
    let default = param.default.as_ref().map(ParamValue::to_string);
    let free = match (param.kind, param.choices.is_empty()) {
        (ParamType::String, true) => vec!["a1".to_owned(), "b2".to_owned()],
        _ => edges_of(param),
    };
    free.into_iter().find(|value| Some(value) != default.as_ref() && param.parse(value).is_ok())
}

/// The flags that stand for these values, as in `--ppn 8`; `the defaults` for none.
pub(crate) fn flags(values: &Values) -> String {
    if values.is_empty() {
        return "the defaults".to_owned();
    }
    let flags = values.iter().map(|(name, value)| format!("--{} {value}", name.replace('_', "-")));
    flags.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::profile::ParamSpec;

    fn param(name: &str, spec: &str) -> Param {
        let spec: ParamSpec = toml::from_str(spec).unwrap();
        Param::new(name, &spec).unwrap()
    }

    #[test]
    fn edges_are_tried_alone_and_together() {
        let params = [
            param("ppn", "type = 'int'\nrange = [1, 8]\ndefault = 8"),
            param("queue", "type = 'choice'\nchoices = ['a', 'b']"),
            param("account", "type = 'string'"),
        ];
        let tried: Vec<String> = edges(&params).iter().map(flags).collect();
        let expected = [
            "the defaults",
            "--ppn 1",
            "--ppn 8",
            "--queue a",
            "--queue b",
            "--ppn 1 --queue a",
            "--ppn 8 --queue b",
        ];
        assert_eq!(tried, expected);
        assert_eq!(params.each_ref().map(other), ["1", "a", "a1"].map(|value| Some(value.to_owned())));
        assert_eq!(other(&param("one", "type = 'int'\nrange = [3, 3]\ndefault = 3")), None);
    }
}
