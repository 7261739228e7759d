//! A site's own parameters: typed, bounded values that the user may give to `rpar start`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::duration;
use super::scalar::Scalar;
use super::spec::ParamSpec;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A text.
    #[default]
    String,
    /// `true` or `false`.
    Bool,
    /// One of the texts listed in `choices`.
    Choice,
    /// A length of time.
    Duration,
}

impl ParamType {
    /// All types, by the names that a profile uses.
    pub const NAMES: [&'static str; 6] = ["int", "float", "string", "bool", "choice", "duration"];

    /// The name that a profile uses.
    pub fn name(self) -> &'static str {
        match self {
            ParamType::Int => "int",
            ParamType::Float => "float",
            ParamType::String => "string",
            ParamType::Bool => "bool",
            ParamType::Choice => "choice",
            ParamType::Duration => "duration",
        }
    }

    fn article(self) -> &'static str {
        match self {
            ParamType::Int => "a whole number",
            ParamType::Float => "a number",
            ParamType::String => "a text of one line",
            ParamType::Bool => "true or false",
            ParamType::Choice => "one of the choices",
            ParamType::Duration => duration::FORMS,
        }
    }
}

/// A value of a parameter's type.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// Of [`ParamType::Int`].
    Int(i64),
    /// Of [`ParamType::Float`].
    Float(f64),
    /// Of [`ParamType::String`] and [`ParamType::Choice`].
    Text(String),
    /// Of [`ParamType::Bool`].
    Bool(bool),
    /// Of [`ParamType::Duration`].
    Duration(Duration),
}

impl ParamValue {
    /// The value as plain data. A duration becomes `HH:MM:SS`, the form that job scripts want.
    pub fn to_scalar(&self) -> Scalar {
        match self {
            ParamValue::Int(value) => Scalar::Int(*value),
            ParamValue::Float(value) => Scalar::Float(*value),
            ParamValue::Text(value) => Scalar::Text(value.clone()),
            ParamValue::Bool(value) => Scalar::Bool(*value),
            ParamValue::Duration(value) if value.subsec_millis() > 0 => {
                Scalar::Text(duration::display(*value))
            }
            ParamValue::Duration(value) => Scalar::Text(duration::clock(*value)),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            ParamValue::Int(value) => Some(*value as f64),
            ParamValue::Float(value) => Some(*value),
            ParamValue::Duration(value) => Some(value.as_secs_f64()),
            ParamValue::Text(_) | ParamValue::Bool(_) => None,
        }
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_scalar().fmt(f)
    }
}

/// A parameter of a profile: becomes a flag of `rpar start` and a variable of the profile's templates.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name: a lower-case letter, then lower-case letters, digits and `_`.
    pub name: String,
    /// Its type.
    pub kind: ParamType,
    /// Its value when the user gives none; `None` leaves it unset.
    pub default: Option<ParamValue>,
    /// Smallest and largest value, both allowed; for numbers and durations.
    pub range: Option<(ParamValue, ParamValue)>,
    /// The only values allowed; empty if any is.
    pub choices: Vec<ParamValue>,
    /// What it means, in one line; may be empty.
    pub help: String,
}

/// A parameter, or a value for it, that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{value}` is not allowed: expected {expected}")]
pub struct ParamError {
    /// The key below `[params.NAME]` that is wrong; `None` when a value given for the parameter is.
    pub key: Option<&'static str>,
    /// The wrong value.
    pub value: String,
    /// What is allowed instead.
    pub expected: String,
}

impl Param {
    /// Makes sense of what a profile says.
    ///
    /// # Errors
    /// When a range or choice is not of the parameter's type, when the type wants no range or needs choices, or when
    /// the default is not allowed.
    pub fn new(name: &str, spec: &ParamSpec) -> Result<Param, ParamError> {
        let kind = spec.kind.unwrap_or_default();
        let help = spec.help.clone().unwrap_or_default();
        let mut param =
            Param { name: name.to_owned(), kind, default: None, range: None, choices: Vec::new(), help };
        if let Some(range) = &spec.range {
            param.range = Some(param.read_range(range)?);
        }
        if let Some(choices) = &spec.choices {
            let read = choices.iter().map(|choice| param.read(choice));
            param.choices = read.collect::<Result<_, _>>().map_err(|error| error.at("choices"))?;
        }
        if kind == ParamType::Choice && param.choices.is_empty() {
            let value = if spec.choices.is_some() { "[]" } else { "nothing" };
            return Err(ParamError::new(value, "at least one choice, as type is choice").at("choices"));
        }
        if let Some(default) = &spec.default {
            param.default = Some(param.accept(default).map_err(|error| error.at("default"))?);
        }
        Ok(param)
    }

    /// Takes a value as a user types it.
    ///
    /// # Errors
    /// When it is not of the type, out of the range, or not one of the choices.
    pub fn parse(&self, text: &str) -> Result<ParamValue, ParamError> {
        self.accept(&Scalar::Text(text.to_owned()))
    }

    /// Takes a value as a profile holds it.
    ///
    /// # Errors
    /// When it is not of the type, out of the range, or not one of the choices.
    pub fn accept(&self, value: &Scalar) -> Result<ParamValue, ParamError> {
        let read = self.read(value)?;
        let in_range = match (&self.range, read.number()) {
            (Some((low, high)), Some(number)) => {
                low.number().is_none_or(|low| low <= number)
                    && high.number().is_none_or(|high| number <= high)
            }
            _ => true,
        };
        let chosen = self.choices.is_empty() || self.choices.contains(&read);
        if in_range && chosen { Ok(read) } else { Err(ParamError::new(value, self.allowed())) }
    }

    /// What is allowed, for help and error messages.
    pub fn allowed(&self) -> String {
        if !self.choices.is_empty() {
            let choices: Vec<String> = self.choices.iter().map(ParamValue::to_string).collect();
            return format!("one of {}", choices.join(", "));
        }
        match &self.range {
            Some((low, high)) if self.kind == ParamType::Duration => {
                format!("a duration from {low} to {high}")
            }
            Some((low, high)) => format!("{} from {low} to {high}", self.kind.article()),
            None => self.kind.article().to_owned(),
        }
    }

    fn read(&self, value: &Scalar) -> Result<ParamValue, ParamError> {
        let read = match (self.kind, value) {
            (ParamType::Int, Scalar::Int(number)) => Some(ParamValue::Int(*number)),
            (ParamType::Int, Scalar::Text(text)) => text.trim().parse().ok().map(ParamValue::Int),
            (ParamType::Float, Scalar::Int(number)) => Some(ParamValue::Float(*number as f64)),
            (ParamType::Float, Scalar::Float(number)) => Some(ParamValue::Float(*number)),
            (ParamType::Float, Scalar::Text(text)) => {
                text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(ParamValue::Float)
            }
            (ParamType::String | ParamType::Choice, Scalar::Text(text)) => {
                // a line break would let a value add lines to a job script
                (!text.contains(['\n', '\r', '\0'])).then(|| ParamValue::Text(text.clone()))
            }
            (ParamType::Bool, Scalar::Bool(value)) => Some(ParamValue::Bool(*value)),
            (ParamType::Bool, Scalar::Text(text)) => text.trim().parse().ok().map(ParamValue::Bool),
            (ParamType::Duration, Scalar::Text(text)) => duration::parse(text).map(ParamValue::Duration),
            _ => None,
        };
        read.ok_or_else(|| ParamError::new(value, self.allowed()))
    }

    fn read_range(&self, range: &[Scalar]) -> Result<(ParamValue, ParamValue), ParamError> {
        let shown: Vec<String> = range.iter().map(Scalar::to_string).collect();
        let wrong = |expected: &str| ParamError::new(format!("[{}]", shown.join(", ")), expected).at("range");
        let numeric = matches!(self.kind, ParamType::Int | ParamType::Float | ParamType::Duration);
        if !numeric {
            let text = format!("no range, as type is {}", self.kind.name());
            return Err(wrong(&text));
        }
        let [low, high] = range else { return Err(wrong("two values, the smallest and the largest")) };
        let low = self.read(low).map_err(|error| error.at("range"))?;
        let high = self.read(high).map_err(|error| error.at("range"))?;
        if low.number() > high.number() {
            return Err(wrong("the smallest value first"));
        }
        Ok((low, high))
    }
}

impl ParamError {
    fn new(value: impl fmt::Display, expected: impl Into<String>) -> Self {
        let shown = |letter: char| match letter.is_control() {
            true => letter.escape_default().to_string(),
            false => letter.to_string(),
        };
        let value = value.to_string().chars().map(shown).collect();
        ParamError { key: None, value, expected: expected.into() }
    }

    fn at(self, key: &'static str) -> Self {
        ParamError { key: Some(key), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    fn int(range: [i64; 2]) -> Param {
        let range = Some(range.map(Scalar::Int).to_vec());
        let spec = ParamSpec { kind: Some(ParamType::Int), range, ..Default::default() };
        Param::new("ppn", &spec).unwrap()
    }

    #[test]
    fn values_are_typed_and_bounded() {
        let ppn = int([1, 8]);
        assert_eq!(ppn.parse("8"), Ok(ParamValue::Int(8)));
        for wrong in ["0", "9", "x", "", "1.5"] {
            let error = ppn.parse(wrong).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{wrong}` is not allowed: expected a whole number from 1 to 8")
            );
        }
    }

    #[test]
    fn choices_list_themselves() {
        let choices = Some(vec![text("regular"), text("debug")]);
        let spec = ParamSpec { kind: Some(ParamType::Choice), choices, ..Default::default() };
        let queue = Param::new("queue", &spec).unwrap();
        assert_eq!(queue.parse("debug"), Ok(ParamValue::Text("debug".to_owned())));
        assert_eq!(queue.parse("fast").unwrap_err().expected, "one of regular, debug");
    }

    #[test]
    fn a_duration_shows_as_a_clock() {
        let range = Some(vec![text("1m"), text("48h")]);
        let spec = ParamSpec { kind: Some(ParamType::Duration), range, ..Default::default() };
        let walltime = Param::new("walltime", &spec).unwrap();
        assert_eq!(walltime.parse("1h30m").unwrap().to_string(), "01:30:00");
        let error = walltime.parse("3d").unwrap_err();
        assert_eq!(error.expected, "a duration from 00:01:00 to 48:00:00");
    }

    #[test]
    fn senseless_parameters_name_the_wrong_key() {
        let int = Some(ParamType::Int);
        let cases = [
            (ParamSpec { kind: int, default: Some(text("many")), ..Default::default() }, "default"),
            (ParamSpec { kind: int, range: Some(vec![Scalar::Int(1)]), ..Default::default() }, "range"),
            (
                ParamSpec { kind: int, range: Some([8, 1].map(Scalar::Int).to_vec()), ..Default::default() },
                "range",
            ),
            (ParamSpec { range: Some([1, 8].map(Scalar::Int).to_vec()), ..Default::default() }, "range"),
            (ParamSpec { kind: Some(ParamType::Choice), ..Default::default() }, "choices"),
            (ParamSpec { kind: int, choices: Some(vec![text("a")]), ..Default::default() }, "choices"),
        ];
        for (spec, key) in cases {
            assert_eq!(Param::new("x", &spec).unwrap_err().key, Some(key), "{spec:?}");
        }
    }

    #[test]
    fn a_text_cannot_add_lines_to_a_script() {
        let account = Param::new("account", &ParamSpec::default()).unwrap();
        assert!(account.parse("m1234\n#PBS -l nodes=1000").is_err());
    }
}
