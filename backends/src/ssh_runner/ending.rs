//! What a command on another host writes, up to where its end is told.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::exec::OUTPUT_LIMIT;

/// How the line begins that tells the end, after an end of line.
const MARK: &[u8] = b"\nrpar: ended ";

/// Longer than any such line: what is behind the limit is kept for so far.
const TAIL_BYTES: usize = 64;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Exit(i32),
    NoProgram,
    NoDirectory,
}

/// A whole stream.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) text: String,
    /// `None` when the stream ended without telling.
    pub(super) ending: Option<Ending>,
}

/// Reads a stream until it tells the end. What is over the limit is dropped, as by [`Exec`](crate::Exec).
pub(super) async fn hear(pipe: Option<impl AsyncRead + Unpin>) -> Heard {
    let (mut kept, mut part) = (Vec::new(), [0; 8192]);
    let Some(mut pipe) = pipe else { return Heard::default() };
    while let Ok(count @ 1..) = pipe.read(&mut part).await {
        kept.extend_from_slice(&part[..count]);
        let over = kept.len().saturating_sub(TAIL_BYTES);
        if over > OUTPUT_LIMIT {
            kept.drain(OUTPUT_LIMIT..over);
        }
        if let Some((text, ending)) = cut(&kept) {
            return Heard { text: String::from_utf8_lossy(text).into_owned(), ending: Some(ending) };
        }
    }
    Heard { text: String::from_utf8_lossy(&kept).into_owned(), ending: None }
}

/// The text before the line that tells the end, if that is whole and last.
fn cut(kept: &[u8]) -> Option<(&[u8], Ending)> {
    let told = kept.strip_suffix(b"\n")?;
    let start = told.len().saturating_sub(TAIL_BYTES);
    let at = start + told[start..].windows(MARK.len()).rposition(|window| window == MARK)?;
    let ending = match &told[at + MARK.len()..] {
        b"program" => Ending::NoProgram,
        b"directory" => Ending::NoDirectory,
        number => Ending::Exit(std::str::from_utf8(number).ok()?.parse().ok()?),
    };
    Some((&told[..at], ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_found_wherever_the_stream_is_cut() {
        let cases = [
            ("12\n\nrpar: ended 0\n", "12\n", Some(Ending::Exit(0))),
            ("\nrpar: ended 255\n", "", Some(Ending::Exit(255))),
            ("no end of line\nrpar: ended program\n", "no end of line", Some(Ending::NoProgram)),
            ("cut off\nrpar: ended 1", "cut off\nrpar: ended 1", None),
            ("Connection refused\n", "Connection refused\n", None),
        ];
        for (stream, text, ending) in cases {
            for at in 0..stream.len() {
                let (first, second) = stream.as_bytes().split_at(at);
                let heard = hear(Some(first.chain(second))).await;
                assert_eq!((heard.text.as_str(), heard.ending), (text, ending), "{stream:?}");
            }
        }
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let stream = [vec![b'x'; OUTPUT_LIMIT + 100_000], b"\nrpar: ended 3\n".to_vec()].concat();
        let heard = hear(Some(&stream[..])).await;
        assert_eq!(heard.ending, Some(Ending::Exit(3)));
        assert!(heard.text.len() <= OUTPUT_LIMIT + TAIL_BYTES);
    }
}
