//! Pairs of measurements, and the line that each row prints.

use std::io;
use std::time::Duration;

/// What one row measured: pairs of rates, rpar's and the limit's.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// What the limit is.
    pub limit: String,
    /// The unit of the rates.
    pub unit: String,
    /// The ratio that rpar is meant to reach.
    pub goal: f64,
    /// (rpar, limit), one for each pair.
    pub pairs: Vec<(f64, f64)>,
}

impl Row {
    /// Measures `pairs` pairs in turn, after one of each that does not count.
    ///
    /// # Errors
    /// When a measurement fails.
    pub fn measure(
        name: &str,
        limit: &str,
        unit: &str,
        goal: f64,
        pairs: usize,
        mut ours: impl FnMut() -> io::Result<f64>,
        mut theirs: impl FnMut() -> io::Result<f64>,
    ) -> io::Result<Row> {
        ours()?;
        theirs()?;
        let pairs = (0..pairs).map(|_| Ok((ours()?, theirs()?))).collect::<io::Result<_>>()?;
        Ok(Row { name: name.into(), limit: limit.into(), unit: unit.into(), goal, pairs })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ours = spread(self.pairs.iter().map(|pair| pair.0));
        let theirs = spread(self.pairs.iter().map(|pair| pair.1));
        let ratio = spread(self.pairs.iter().map(|pair| pair.0 / pair.1));
        writeln!(f, "{}", self.name)?;
        writeln!(f, "    rpar   {:>12.0} {} ({:.0} to {:.0})", ours.1, self.unit, ours.0, ours.2)?;
        writeln!(
            f,
            "    limit  {:>12.0} {} ({:.0} to {:.0}): {}",
            theirs.1, self.unit, theirs.0, theirs.2, self.limit
        )?;
        let verdict = if ratio.1 >= self.goal { "reached" } else { "missed" };
        let pairs = self.pairs.len();
        write!(f, "    ratio  {:>12.3} ({:.3} to {:.3}, {pairs} pairs); ", ratio.1, ratio.0, ratio.2)?;
        write!(f, "goal {} {verdict}", self.goal)
    }
}

/// Smallest, median and largest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => (0.0, 0.0, 0.0),
        sorted => (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]),
    }
}

/// How many a second.
pub fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_median_and_spread() {
        let row = Row {
            name: "no-op".into(),
            limit: "relay".into(),
            unit: "tasks/s".into(),
            goal: 0.5,
            pairs: vec![(1.0, 4.0), (3.0, 4.0), (2.0, 4.0)],
        };
        let text = row.to_string();
        assert!(text.contains("0.500 (0.250 to 0.750, 3 pairs); goal 0.5 reached"), "{text}");
    }
}
