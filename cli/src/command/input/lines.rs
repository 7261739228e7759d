//! The lines of a file as arguments.

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;

use super::InputError;

/// The longest argument that Linux passes to a program, execve(2): 32 pages, the closing NUL among them.
pub(super) const ARGUMENT_LIMIT_BYTES: u64 = 32 * 4096 - 1;

/// Reads lines, no faster than they are asked for.
pub(super) struct Lines {
    file: String,
    reader: BufReader<Box<dyn Read + Send>>,
    separator: u8,
    number: u64,
}

impl Lines {
    pub(super) fn new(file: String, reader: Box<dyn Read + Send>, separator: u8) -> Self {
        Lines { file, reader: BufReader::with_capacity(64 << 10, reader), separator, number: 0 }
    }
}

impl Iterator for Lines {
    type Item = Result<Bytes, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(ARGUMENT_LIMIT_BYTES + 1);
        if let Err(source) = limited.read_until(self.separator, &mut line) {
            return Some(Err(InputError::Read { file: self.file.clone(), source }));
        }
        if line.is_empty() {
            return None;
        }
        self.number += 1;
        let refusal = if line.last() == Some(&self.separator) {
            line.pop();
            None
        } else {
            (line.len() as u64 > ARGUMENT_LIMIT_BYTES)
                .then(|| InputError::TooLong { file: self.file.clone(), number: self.number })
        };
        if let Some(refusal) = refusal {
            return Some(Err(refusal));
        }
        if line.contains(&0) {
            return Some(Err(InputError::Nul { file: self.file.clone(), number: self.number }));
        }
        Some(Ok(line.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], separator: u8) -> Vec<Result<Bytes, InputError>> {
        Lines::new("f".into(), Box::new(std::io::Cursor::new(text.to_vec())), separator).collect()
    }

    #[test]
    fn each_line_is_an_argument() {
        let read = |text: &[u8], separator| {
            lines(text, separator).into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(read(b"a\n\nb c\r\nlast", b'\n'), ["a", "", "b c\r", "last"]);
        assert_eq!(read(b"a\nb\0c\0", 0), ["a\nb", "c"]);
        assert!(read(b"", b'\n').is_empty());
    }

    #[test]
    fn what_no_program_can_take_is_refused() {
        assert!(matches!(lines(b"a\nb\0\n", b'\n')[1], Err(InputError::Nul { number: 2, .. })));
        let limit = ARGUMENT_LIMIT_BYTES as usize;
        assert_eq!(
            lines(&[vec![b'x'; limit], vec![b'\n']].concat(), b'\n')[0].as_ref().unwrap().len(),
            limit
        );
        assert!(matches!(
            lines(&vec![b'x'; limit + 1], b'\n')[0],
            Err(InputError::TooLong { number: 1, .. })
        ));
    }
}
