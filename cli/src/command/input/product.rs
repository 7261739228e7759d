//! Rows of linked sources, multiplied.

use bytes::Bytes;
use regex::bytes::Regex;

use super::InputError;
use super::records::COLUMNS_LIMIT;
use super::source::{Source, Values};
use crate::command::arguments::Trim;

/// What may be kept of the sources, an argument counting its bytes and [`KEPT_COST_BYTES`] more: those after the first are
/// gone through again for each value of the first, and what is to be shuffled is there as a whole.
pub(super) const KEPT_LIMIT_BYTES: usize = 64 << 20;

/// What keeping an argument takes beside its bytes.
const KEPT_COST_BYTES: usize = 64;

/// A row of a group: what its linked sources gave together.
pub(super) type Row = Vec<Bytes>;

/// The product of groups. Of the first group one row is in memory, of the others all.
pub(super) struct Product {
    first: Rows,
    rest: Rest,
    /// The first group's row that is gone through.
    row: Option<Row>,
    /// Which row of each other group comes next; the last one moves fastest.
    at: Vec<usize>,
}

/// The groups after the first.
enum Rest {
    Unread(Vec<Rows>),
    Kept(Vec<Vec<Row>>),
}

impl Product {
    pub(super) fn new(groups: Vec<Vec<Source>>, separator: u8, cut: &Cut) -> Self {
        let rows = |sources: Vec<Source>| Rows {
            sources: sources.into_iter().map(|source| source.values(separator)).collect(),
            cut: cut.clone(),
        };
        let mut groups = groups.into_iter().map(rows);
        let first = groups.next().unwrap_or_default();
        let rest: Vec<Rows> = groups.collect();
        let at = vec![0; rest.len()];
        Product { first, rest: Rest::Unread(rest), row: None, at }
    }

    /// Takes the first row of each group: the names of the columns.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn header(&mut self) -> Result<Row, InputError> {
        let mut names = self.first.next().transpose()?.unwrap_or_default();
        if let Rest::Unread(rest) = &mut self.rest {
            for rows in rest {
                names.extend(rows.next().transpose()?.unwrap_or_default());
            }
        }
        Ok(names)
    }

    /// Reads the groups after the first; empty when one of them is, and so the product.
    fn keep(unread: Vec<Rows>) -> Result<Option<Vec<Vec<Row>>>, InputError> {
        let (mut kept, mut bytes) = (Vec::new(), 0);
        for rows in unread {
            let mut group = Vec::new();
            for row in rows {
                let row = row?;
                bytes += cost_bytes(&row);
                if bytes > KEPT_LIMIT_BYTES {
                    return Err(InputError::TooMany);
                }
                group.push(row);
            }
            if group.is_empty() {
                return Ok(None);
            }
            kept.push(group);
        }
        Ok(Some(kept))
    }

    /// The next combination.
    ///
    /// # Errors
    /// When the sources cannot be read, or kept.
    pub(super) fn read(&mut self) -> Result<Option<Row>, InputError> {
        if let Rest::Unread(unread) = &mut self.rest {
            let Some(kept) = Self::keep(std::mem::take(unread))? else { return Ok(None) };
            self.rest = Rest::Kept(kept);
        }
        let Rest::Kept(rest) = &self.rest else { return Ok(None) };
        if self.row.is_none() {
            self.row = self.first.next().transpose()?;
        }
        let Some(row) = &mut self.row else { return Ok(None) };
        let mut arguments = if rest.is_empty() { std::mem::take(row) } else { row.clone() };
        arguments.extend(rest.iter().zip(&self.at).flat_map(|(rows, at)| rows[*at].iter().cloned()));
        if advance(&mut self.at, rest) {
            self.row = None;
        }
        Ok(Some(arguments))
    }
}

/// What keeping a row takes.
pub(super) fn cost_bytes(row: &Row) -> usize {
    row.iter().map(|value| value.len() + KEPT_COST_BYTES).sum()
}

/// Moves on to the next combination; true when all were gone through.
fn advance(at: &mut [usize], rest: &[Vec<Row>]) -> bool {
    for (at, rows) in at.iter_mut().zip(rest).rev() {
        *at += 1;
        if *at < rows.len() {
            return false;
        }
        *at = 0;
    }
    true
}

/// The rows of a group of linked sources: as many as the shortest of them has.
#[derive(Default)]
struct Rows {
    sources: Vec<Values>,
    cut: Cut,
}

impl Iterator for Rows {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = Vec::with_capacity(self.sources.len());
        for source in &mut self.sources {
            match source.next()? {
                Ok(value) => self.cut.add(value, &mut row),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(row))
    }
}

/// What becomes of a value on its way into a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    /// Splits it into columns.
    pub(super) columns: Option<Regex>,
    /// Which blanks go; those on both ends of columns, if that is not said.
    pub(super) trim: Option<Trim>,
}

impl Cut {
    fn add(&self, value: Bytes, row: &mut Row) {
        match &self.columns {
            None => row.push(self.trimmed(value)),
            Some(separator) => {
                // one more shows that there are too many
                let columns = separator.split(&value).take(COLUMNS_LIMIT + 1);
                row.extend(columns.map(|column| self.trimmed(value.slice_ref(column))));
            }
        }
    }

    fn trimmed(&self, value: Bytes) -> Bytes {
        let both = self.columns.is_some();
        let rest = match self.trim {
            Some(Trim::N) => return value,
            None if !both => return value,
            None | Some(Trim::Lr) => value.trim_ascii(),
            Some(Trim::L) => value.trim_ascii_start(),
            Some(Trim::R) => value.trim_ascii_end(),
        };
        value.slice_ref(rest)
    }
}
