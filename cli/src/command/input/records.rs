//! The arguments of one task after the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::InputError;
use super::product::{KEPT_LIMIT_BYTES, Product, Row, cost_bytes};
use super::share::Share;

/// Each number of columns makes a function of its own, which controller and engines keep: as many are defined at most.
pub(crate) const COLUMNS_LIMIT: usize = 1000;

/// The arguments of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The task's number, from 1.
    pub(crate) number: u64,
    /// One for each source, or column; or those of several.
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

/// What makes a task.
enum PerTask {
    /// So many rows; 0: each makes one that is given nothing.
    Rows(usize),
    /// As many as fit.
    Many(Share),
}

/// The records of an input.
pub(crate) struct Records {
    product: Product,
    /// The rows in no order, once they are read.
    shuffled: Option<Vec<Row>>,
    per_task: PerTask,
    number: u64,
    over: bool,
    /// How many tasks had arguments with this hash.
    alike: Option<BTreeMap<u64, u32>>,
}

impl Records {
    /// The rows of `product`, so many to a task, or as many as fit.
    pub(super) fn new(product: Product, rows: Option<usize>) -> Self {
        let per_task = rows.map_or_else(|| PerTask::Many(Share::new(1)), PerTask::Rows);
        Records { product, shuffled: None, per_task, number: 0, over: false, alike: None }
    }

    /// Reads all rows, and puts them in no order.
    ///
    /// # Errors
    /// When they cannot be read, or are more than is kept.
    pub(super) fn shuffled(mut self) -> Result<Self, InputError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = self.product.read()? {
            bytes += cost_bytes(&row);
            if bytes > KEPT_LIMIT_BYTES {
                return Err(InputError::TooManyToShuffle);
            }
            rows.push(row);
        }
        for last in (1..rows.len()).rev() {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| InputError::Random { reason: error.to_string() })?;
            rows.swap(last, (u64::from_ne_bytes(random) % (last as u64 + 1)) as usize);
        }
        self.shuffled = Some(rows);
        Ok(self)
    }

    /// Counts for each record how many before it have the same arguments. It remembers some 20 bytes for each of them
    /// that differ, which is little beside what a task leaves where this is asked for: a directory and three files.
    pub(crate) fn counting_alike(mut self) -> Self {
        self.alike = Some(BTreeMap::new());
        self
    }

    /// How many engines are to have some, where tasks are given as many arguments as fit.
    pub(crate) fn shared_among(mut self, engines: impl FnOnce() -> usize) -> Self {
        if let PerTask::Many(share) = &mut self.per_task {
            *share = Share::new(engines());
        }
        self
    }

    fn arguments(&mut self) -> Result<Option<Row>, InputError> {
        let (product, shuffled) = (&mut self.product, &mut self.shuffled);
        let mut row = || match shuffled {
            Some(rows) => Ok(rows.pop()),
            None => product.read(),
        };
        let rows = match &mut self.per_task {
            PerTask::Many(share) => return share.next(row),
            PerTask::Rows(rows) => *rows,
        };
        let Some(mut arguments) = row()? else { return Ok(None) };
        if rows == 0 {
            arguments.clear();
        }
        for _ in 1..rows {
            match row()? {
                Some(row) => arguments.extend(row),
                None => break,
            }
        }
        Ok(Some(arguments))
    }

    fn read(&mut self) -> Result<Option<Record>, InputError> {
        let Some(arguments) = self.arguments()? else { return Ok(None) };
        self.number += 1;
        if arguments.len() > COLUMNS_LIMIT {
            return Err(InputError::Columns { number: self.number });
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
