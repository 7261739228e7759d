//! Rows: what was measured of rpar, beside a limit of the same machine or a bound, and the lines that they print.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;

/// What one row measured.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// What came of it.
    pub figures: Vec<Figure>,
}

/// What rpar is meant to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// This, or more.
    AtLeast(f64),
    /// This, or less.
    AtMost(f64),
    /// Nothing: the figure is printed for who wants to know.
    Any,
}

/// Something that was measured, more than once as a rule.
#[derive(Debug)]
pub enum Figure {
    /// rpar and a limit of the same machine in turn; the goal is for their ratio.
    Pairs {
        /// What the limit is.
        limit: &'static str,
        /// The unit of both.
        unit: &'static str,
        /// The ratio that rpar is meant to reach.
        goal: Goal,
        /// (rpar, limit), one for each pair.
        pairs: Vec<(f64, f64)>,
    },
    /// A figure that stands for itself.
    Alone {
        /// What was measured, in a word or two.
        what: &'static str,
        /// Its unit, and what else there is to say.
        unit: &'static str,
        /// What it is meant to be.
        goal: Goal,
        /// Each time.
        values: Vec<f64>,
    },
}

/// Measures in turn, after one of each that does not count.
///
/// # Errors
/// When a measurement fails.
pub fn pairs(
    count: usize,
    mut ours: impl FnMut() -> io::Result<f64>,
    mut theirs: impl FnMut() -> io::Result<f64>,
) -> io::Result<Vec<(f64, f64)>> {
    ours()?;
    theirs()?;
    (0..count).map(|_| Ok((ours()?, theirs()?))).collect()
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.figures.iter().try_for_each(|figure| write!(f, "{figure}"))
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Pairs { limit, unit, goal, pairs } => {
                let count = pairs.len();
                let ratio = Spread::of(pairs.iter().map(|pair| pair.0 / pair.1));
                write!(f, "\n    {}", Spread::of(pairs.iter().map(|pair| pair.0)).line("rpar", unit))?;
                write!(
                    f,
                    "\n    {}: {limit}",
                    Spread::of(pairs.iter().map(|pair| pair.1)).line("limit", unit)
                )?;
                write!(f, "\n    {}", ratio.line("ratio", &format!("in {count} pairs")))?;
                goal.verdict(ratio.median, f)
            }
            Figure::Alone { what, unit, goal, values } => {
                let spread = Spread::of(values.iter().copied());
                write!(f, "\n    {}", spread.line(what, unit))?;
                goal.verdict(spread.median, f)
            }
        }
    }
}

impl Goal {
    fn verdict(self, value: f64, f: &mut Formatter<'_>) -> fmt::Result {
        let (words, bound, reached) = match self {
            Goal::AtLeast(bound) => ("at least", bound, value >= bound),
            Goal::AtMost(bound) => ("at most", bound, value <= bound),
            Goal::Any => return Ok(()),
        };
        write!(f, "; goal {words} {bound} {}", if reached { "reached" } else { "MISSED" })
    }
}

/// Smallest, median and largest.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Spread { least: at(0), median: at(values.len() / 2), most: at(values.len().saturating_sub(1)) }
    }

    fn line(&self, what: &str, unit: &str) -> String {
        let [least, median, most] = [self.least, self.median, self.most].map(|value| self.number(value));
        if least == most {
            return format!("{what:<10} {median:>12} {unit}");
        }
        format!("{what:<10} {median:>12} {unit} ({least} to {most})")
    }

    /// Three digits at least, and as many for all.
    fn number(&self, value: f64) -> String {
        let decimals = match self.median.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 3,
        };
        format!("{value:.decimals$}")
    }
}

/// How many a second.
pub fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_medians_spreads_and_whether_its_goals_are_reached() {
        let pairs = |goal| Figure::Pairs {
            limit: "relay",
            unit: "tasks/s",
            goal,
            pairs: vec![(1.0, 400.0), (3.0, 400.0), (2.0, 400.0)],
        };
        let alone = Figure::Alone { what: "memory", unit: "MB", goal: Goal::Any, values: vec![12.345] };
        let row = Row {
            name: "no-op".into(),
            figures: vec![pairs(Goal::AtLeast(0.005)), pairs(Goal::AtMost(0.001)), alone],
        };
        let text = row.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1], "rpar              2.000 tasks/s (1.000 to 3.000)");
        assert_eq!(lines[2], "limit               400 tasks/s: relay");
        let ratio = "ratio             0.005 in 3 pairs (0.003 to 0.007); goal";
        assert_eq!(lines[3], format!("{ratio} at least 0.005 reached"));
        assert_eq!(lines[6], format!("{ratio} at most 0.001 MISSED"));
        assert_eq!(lines[7], "memory             12.3 MB");
    }
}
