//! Templates in profiles: minijinja, where a name that does not exist is an error.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};
use rpar_core::profile::Scalar;
use toml::{Table, Value};

use super::error::suggestion;

/// The variables of a template; `None` is a parameter without a value.
pub(crate) type Variables = BTreeMap<String, Option<Scalar>>;

/// Renders a value of a profile: texts are templates, and one that is wholly a single `{{ x }}` takes the type of
/// x. `None` when x has no value.
pub(crate) fn value(value: &Value, variables: &Variables) -> Result<Option<Value>, String> {
    match value {
        Value::String(text) => match single(text) {
            Some(expression) => evaluate(expression, variables),
            None => text_template(text, variables).map(|text| Some(Value::String(text))),
        },
        Value::Array(items) => {
            // an item may be there only sometimes: "{% if exclusive %}-n{% endif %}"
            let vanished =
                |item: &Value, rendered: &Value| item.as_str() != Some("") && rendered.as_str() == Some("");
            let rendered = items.iter().filter_map(|item| {
                let rendered = self::value(item, variables).transpose()?;
                (!rendered.as_ref().is_ok_and(|rendered| vanished(item, rendered))).then_some(rendered)
            });
            rendered.collect::<Result<Vec<Value>, String>>().map(|items| Some(Value::Array(items)))
        }
        Value::Table(table) => {
            let mut rendered = Table::new();
            for (key, inner) in table {
                if let Some(inner) = self::value(inner, variables)? {
                    rendered.insert(key.clone(), inner);
                }
            }
            Ok(Some(Value::Table(rendered)))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            Ok(Some(value.clone()))
        }
    }
}

/// Renders a text of any length.
pub(crate) fn text_template(text: &str, variables: &Variables) -> Result<String, String> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(text.to_owned());
    }
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|error| describe(&error))?;
    template.render(Serde(variables)).map_err(|error| {
        let used = template.undeclared_variables(false);
        explain(&error, used.iter().map(String::as_str), variables)
    })
}

fn evaluate(expression: &str, variables: &Variables) -> Result<Option<Value>, String> {
    let environment = environment();
    let compiled = environment.compile_expression(expression).map_err(|error| describe(&error))?;
    let used = compiled.undeclared_variables(false);
    let undefined = || Error::from(ErrorKind::UndefinedError);
    let value = compiled.eval(Serde(variables)).and_then(|value| match value.is_undefined() {
        true => Err(undefined()),
        false => Ok(value),
    });
    let value = value.map_err(|error| explain(&error, used.iter().map(String::as_str), variables))?;
    if value.is_none() {
        return Ok(None);
    }
    Value::try_from(value).map(Some).map_err(|error| error.to_string())
}

/// The expression inside, if a text is wholly one `{{ expression }}`.
fn single(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let alone = ["{{", "}}", "{%", "{#"].iter().all(|mark| !inner.contains(mark));
    alone.then_some(inner)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // a line that holds only an {% if %} leaves no empty line in a job script
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(|out, state, value| match value.is_none() {
        true => Err(Error::new(ErrorKind::InvalidOperation, "a parameter without a value")),
        false => escape_formatter(out, state, value),
    });
    environment
}

fn describe(error: &Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{detail} (line {line} of the template)"),
        _ => detail,
    }
}

/// Which variable is to blame, as far as can be told.
fn explain<'a>(error: &Error, used: impl Iterator<Item = &'a str>, variables: &Variables) -> String {
    let mut used: Vec<&str> = used.collect();
    used.sort_unstable();
    if error.kind() == ErrorKind::UndefinedError
        && let Some(unknown) = used.iter().find(|name| !variables.contains_key(**name))
    {
        let known = suggestion(unknown, "variables", variables.keys().map(String::as_str));
        return format!("unknown variable `{unknown}`: {known}");
    }
    let unset: Vec<&str> =
        used.into_iter().filter(|name| matches!(variables.get(*name), Some(None))).collect();
    if unset.is_empty() {
        return describe(error);
    }
    let first = unset[0];
    format!(
        "no value for {}: give one, or write {{% if {first} %}} around what needs it",
        unset.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [
            ("ppn".to_owned(), Some(Scalar::Int(8))),
            ("queue".to_owned(), Some(Scalar::Text("debug".to_owned()))),
            ("account".to_owned(), None),
        ]
        .into()
    }

    fn render(text: &str) -> Result<Option<Value>, String> {
        value(&Value::String(text.to_owned()), &variables())
    }

    #[test]
    fn a_whole_value_keeps_its_type() {
        assert_eq!(render("{{ ppn }}"), Ok(Some(Value::Integer(8))));
        assert_eq!(render(" {{ ppn * 2 }} "), Ok(Some(Value::Integer(16))));
        assert_eq!(render("ppn={{ ppn }}"), Ok(Some(Value::String("ppn=8".to_owned()))));
        assert_eq!(render("{{ ppn }}{{ ppn }}"), Ok(Some(Value::String("88".to_owned()))));
        assert_eq!(render("{{ account }}"), Ok(None));
    }

    #[test]
    fn unknown_names_are_errors_everywhere() {
        for text in ["{{ quue }}", "-q {{ quue }}", "{% if quue %}x{% endif %}", "{{ quue.x }}"] {
            let expected = "unknown variable `quue`: did you mean `queue`? variables: account, ppn, queue";
            assert_eq!(render(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_parameter_without_a_value_never_prints_as_none() {
        assert!(render("-A {{ account }}").unwrap_err().starts_with("no value for `account`"));
        let guarded = "{% if account %}\n#PBS -A {{ account }}\n{% endif %}\nend\n";
        assert_eq!(render(guarded), Ok(Some(Value::String("end\n".to_owned()))));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["{{ ppn", "{{ ppn + }}", "{% if ppn %}"] {
            assert!(render(text).is_err(), "{text}");
        }
    }
}
