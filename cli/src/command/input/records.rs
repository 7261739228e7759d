//! The arguments of one task after the other: rows of linked sources, multiplied.

use std::collections::BTreeMap;

use bytes::Bytes;
use regex::bytes::Regex;
use sha2::{Digest, Sha256};

use super::InputError;
use super::source::{Source, Values};

/// What the sources after the first may take, an argument counting its bytes and [`KEPT_COST_BYTES`] more: they are gone
/// through again for each value of the first.
pub(super) const KEPT_LIMIT_BYTES: usize = 64 << 20;

/// What keeping an argument takes beside its bytes.
const KEPT_COST_BYTES: usize = 64;

/// Each number of columns makes a function of its own, which controller and engines keep: as many are defined at most.
pub(crate) const COLUMNS_LIMIT: usize = 1000;

/// The arguments of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The task's number, from 1.
    pub(crate) number: u64,
    /// One for each source, or column.
    pub(crate) arguments: Vec<Bytes>,
    /// How many tasks before it have the same arguments, where that is [counted](Records::counting_alike).
    pub(crate) alike: u32,
}

impl Record {
    /// All arguments, with blanks between them.
    pub(crate) fn whole(&self) -> Bytes {
        match &self.arguments[..] {
            [argument] => argument.clone(),
            arguments => arguments.join(&b' ').into(),
        }
    }
}

/// A row of a group: what its linked sources gave together.
type Row = Vec<Bytes>;

/// The records of an input. Of the first group one row is in memory, of the others all.
pub(crate) struct Records {
    first: Rows,
    rest: Rest,
    /// The first group's row that is gone through.
    row: Option<Row>,
    /// Which row of each other group comes next; the last one moves fastest.
    at: Vec<usize>,
    number: u64,
    over: bool,
    /// How many tasks had arguments with this hash.
    alike: Option<BTreeMap<u64, u32>>,
}

/// The groups after the first.
enum Rest {
    Unread(Vec<Rows>),
    Kept(Vec<Vec<Row>>),
}

impl Records {
    pub(super) fn new(groups: Vec<Vec<Source>>, columns: Option<Regex>, separator: u8) -> Self {
        let rows = |sources: Vec<Source>| Rows {
            sources: sources.into_iter().map(|source| source.values(separator)).collect(),
            columns: columns.clone(),
        };
        let mut groups = groups.into_iter().map(rows);
        let first = groups.next().unwrap_or_default();
        let rest: Vec<Rows> = groups.collect();
        let at = vec![0; rest.len()];
        Records { first, rest: Rest::Unread(rest), row: None, at, number: 0, over: false, alike: None }
    }

    /// Counts for each record how many before it have the same arguments. It remembers some 20 bytes for each of them
    /// that differ, which is little beside what a task leaves where this is asked for: a directory and three files.
    pub(crate) fn counting_alike(mut self) -> Self {
        self.alike = Some(BTreeMap::new());
        self
    }

    /// Reads the groups after the first; empty when one of them is, and so the product.
    fn keep(unread: Vec<Rows>) -> Result<Option<Vec<Vec<Row>>>, InputError> {
        let (mut kept, mut bytes) = (Vec::new(), 0);
        for rows in unread {
            let mut group = Vec::new();
            for row in rows {
                let row = row?;
                bytes += row.iter().map(|value| value.len() + KEPT_COST_BYTES).sum::<usize>();
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

    fn read(&mut self) -> Result<Option<Record>, InputError> {
        if let Rest::Unread(unread) = &mut self.rest {
            let Some(kept) = Self::keep(std::mem::take(unread))? else { return Ok(None) };
            self.rest = Rest::Kept(kept);
        }
        let Rest::Kept(rest) = &self.rest else { return Ok(None) };
        if self.row.is_none() {
            self.row = self.first.next().transpose()?;
        }
        let Some(row) = &mut self.row else { return Ok(None) };
        self.number += 1;
        let mut arguments = if rest.is_empty() { std::mem::take(row) } else { row.clone() };
        arguments.extend(rest.iter().zip(&self.at).flat_map(|(rows, at)| rows[*at].iter().cloned()));
        if arguments.len() > COLUMNS_LIMIT {
            return Err(InputError::Columns { number: self.number });
        }
        if advance(&mut self.at, rest) {
            self.row = None;
        }
        let alike = self.alike.as_mut().map_or(0, |seen| {
            let count = seen.entry(hash(&arguments)).or_default();
            std::mem::replace(count, count.saturating_add(1))
        });
        Ok(Some(Record { number: self.number, arguments, alike }))
    }
}

/// The same in every run, so that tasks are told apart alike when a map is resumed.
fn hash(arguments: &[Bytes]) -> u64 {
    let mut hash = Sha256::new();
    for argument in arguments {
        hash.update(argument);
        // no argument holds it
        hash.update([0]);
    }
    hash.finalize().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
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

impl Iterator for Records {
    type Item = Result<Record, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.read().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The rows of a group of linked sources: as many as the shortest of them has.
#[derive(Default)]
struct Rows {
    sources: Vec<Values>,
    columns: Option<Regex>,
}

impl Iterator for Rows {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = Vec::with_capacity(self.sources.len());
        for source in &mut self.sources {
            match (source.next()?, &self.columns) {
                (Ok(value), None) => row.push(value),
                (Ok(value), Some(separator)) => row.extend(split(&value, separator)),
                (Err(error), _) => return Some(Err(error)),
            }
        }
        Some(Ok(row))
    }
}

/// The columns of a value, without the blanks around them, as GNU parallel does.
fn split(value: &Bytes, separator: &Regex) -> Vec<Bytes> {
    let columns = separator.split(value).take(COLUMNS_LIMIT + 1);
    columns.map(|column| value.slice_ref(column.trim_ascii())).collect()
}
