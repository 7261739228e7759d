//! `-m`: as many arguments to a task as fit, and no fewer tasks than there are engines.

use std::collections::VecDeque;

use super::InputError;
use super::product::{KEPT_LIMIT_BYTES, Row};
use super::records::COLUMNS_LIMIT;

/// What the arguments of one command may take, GNU parallel's limit too; Linux allows a program 2 MiB in all.
const COMMAND_LIMIT_BYTES: usize = 128 << 10;

/// Rows that were read and belong to no task yet.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// How many engines are to have some.
    engines: usize,
    rows: VecDeque<Row>,
    bytes: usize,
    arguments: usize,
    /// Once the input has ended: so many arguments go to each task, that all engines have some.
    each: Option<usize>,
}

impl Share {
    pub(super) fn new(engines: usize) -> Self {
        Share { engines: engines.max(1), ..Share::default() }
    }

    /// The arguments of the next task, from rows that `read` gives. Reads what all engines can be given at once.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn next(
        &mut self,
        mut read: impl FnMut() -> Result<Option<Row>, InputError>,
    ) -> Result<Option<Row>, InputError> {
        let most_bytes = (self.engines * COMMAND_LIMIT_BYTES).min(KEPT_LIMIT_BYTES);
        while self.each.is_none() && self.bytes < most_bytes && self.arguments < self.engines * COLUMNS_LIMIT
        {
            match read()? {
                Some(row) => {
                    self.bytes += bytes(&row);
                    self.arguments += row.len();
                    self.rows.push_back(row);
                }
                None => self.each = Some(self.arguments.div_ceil(self.engines)),
            }
        }
        let Some(mut arguments) = self.take() else { return Ok(None) };
        let (each, mut length) = (self.each.unwrap_or(COLUMNS_LIMIT).min(COLUMNS_LIMIT), bytes(&arguments));
        while let Some(next) = self.rows.front() {
            length += bytes(next);
            if length > COMMAND_LIMIT_BYTES || arguments.len() + next.len() > each {
                break;
            }
            arguments.extend(self.take().unwrap_or_default());
        }
        Ok(Some(arguments))
    }

    fn take(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.bytes -= bytes(&row);
        self.arguments -= row.len();
        Some(row)
    }
}

/// What a row takes of a command: its arguments, and what ends each.
fn bytes(row: &Row) -> usize {
    row.iter().map(|argument| argument.len() + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many arguments each task has, of so many of a length.
    fn shared(engines: usize, count: usize, length: usize) -> Vec<usize> {
        let mut share = Share::new(engines);
        let mut left = (0..count).map(|_| vec![vec![b'x'; length].into()]);
        let mut next = || share.next(|| Ok(left.next())).unwrap().map(|arguments| arguments.len());
        std::iter::from_fn(&mut next).collect()
    }

    #[test]
    fn all_engines_have_some() {
        assert_eq!(shared(1, 0, 1), [0; 0]);
        assert_eq!(shared(1, 10, 1), [10]);
        assert_eq!(shared(2, 7, 1), [4, 3]);
        assert_eq!(shared(4, 3, 1), [1, 1, 1]);
        assert_eq!(shared(1, 2500, 1), [1000, 1000, 500]);
        assert_eq!(shared(2, 2500, 1), [1000, 750, 750]);
        assert_eq!(shared(1, 3, 100 << 10), [1, 1, 1], "no command is longer than allowed");
        assert_eq!(shared(2, 40, 10 << 10), [12, 12, 8, 8]);
    }
}
