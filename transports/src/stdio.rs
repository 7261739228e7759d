//! The stdin and stdout of a program, such as `ssh HOST rpar stdio`, whose other end is a link's peer.
//!
//! No keys are proven here: who carries the stream has done that. The far program first writes a line, [`READY`]; what comes
//! before it, such as the greetings of a login shell, is not part of the link.

mod far;

use std::io;
use std::pin::Pin;
use std::process::{Command, Stdio as Pipes};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use self::far::Far;
pub use self::far::FarEnd;

/// The line that the far program writes when it has all that it needs for a link.
pub const READY: &str = "rpar stdio is ready\n";

/// The most that may come before [`READY`]: a long message of the day is some kilobytes.
const CHATTER_BYTES: u64 = 64 << 10;

/// How long a program may take to end once its end of the link is closed, before it is killed.
const LINGER: Duration = Duration::from_secs(2);

/// The transport. It only dials, and whatever endpoint it is given it runs its program.
#[derive(Debug)]
pub struct Stdio {
    argv: Vec<String>,
    far: Mutex<Option<Arc<Far>>>,
}

impl Stdio {
    /// Links are the stdin and stdout of this program, which Ctrl-C in a terminal does not reach: it is for the link's owner
    /// to end it in good order.
    pub fn new(argv: Vec<String>) -> Self {
        Stdio { argv, far: Mutex::new(None) }
    }

    /// How the program has ended that was started last; `None` while it runs, or when none was started. Blocks, up to 2 s.
    pub fn ended(&self) -> Option<FarEnd> {
        let far = self.far.lock().unwrap_or_else(PoisonError::into_inner).clone();
        far?.ended(LINGER)
    }

    fn start(&self) -> io::Result<(Arc<Far>, ChildStdin, BufReader<ChildStdout>)> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' INT QUIT; exec \"$@\"", "rpar"]).args(&self.argv);
        command.stdin(Pipes::piped()).stdout(Pipes::piped()).stderr(Pipes::piped());
        let mut child = command.spawn()?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("it has no pipes"));
        };
        let far = Far::attend(child, stderr)?;
        let stdout = BufReader::new(ChildStdout::from_std(stdout)?);
        Ok((far, ChildStdin::from_std(stdin)?, stdout))
    }
}

#[async_trait]
impl Transport for Stdio {
    fn scheme(&self) -> String {
        "stdio".to_owned()
    }

    async fn bind(&self, _: &Identity, at: &Endpoint) -> Result<Box<dyn Listener>, TransportError> {
        let reason = "a program's stdin and stdout are dialled only".to_owned();
        Err(TransportError::Bind { endpoint: at.to_string(), reason })
    }

    async fn dial(&self, _: &Identity, to: &Endpoint, peer: &PeerKey) -> Result<Link, TransportError> {
        let unreachable = |reason: String| TransportError::Unreachable { endpoint: to.to_string(), reason };
        let (far, stdin, mut stdout) = self.start().map_err(|error| unreachable(error.to_string()))?;
        *self.far.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&far));
        let mut io = Pipe { far, stdin: Some(stdin), stdout: None };
        wait_ready(&mut stdout).await.map_err(|error| unreachable(error.to_string()))?;
        // what it has said so far were greetings
        io.far.forget();
        io.stdout = Some(stdout);
        // nobody has proven a key
        Ok(Link { own: PeerKey([0; 32]), peer: *peer, address: to.to_string(), io: Box::new(io) })
    }
}

/// Reads up to the line that says that the rest is the link's.
async fn wait_ready(stdout: &mut BufReader<ChildStdout>) -> io::Result<()> {
    let mut chatter = stdout.take(CHATTER_BYTES);
    let mut line = Vec::new();
    loop {
        line.clear();
        if chatter.read_until(b'\n', &mut line).await? == 0 {
            let what = match chatter.limit() {
                0 => "it wrote much, and no link",
                _ => "it ended before there was a link",
            };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        // a greeting may have no end of line
        if line.ends_with(READY.as_bytes()) {
            return Ok(());
        }
    }
}

/// The link's stream.
struct Pipe {
    far: Arc<Far>,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // closed pipes have it end by itself
        self.stdin = None;
        self.stdout = None;
        if self.far.ended(LINGER).is_none() {
            self.far.kill();
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(stdout) = &mut this.stdout else { return Poll::Ready(Ok(())) };
        let before = buffer.filled().len();
        ready!(Pin::new(stdout).poll_read(cx, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            // the program's own words are better than that it has closed
            let words = this.far.words();
            if !words.is_empty() {
                return Poll::Ready(Err(io::Error::other(words)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // nothing is kept on this side: a pipe is closed by closing it
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn dial(script: &str) -> (Stdio, Result<Link, TransportError>) {
        let stdio = Stdio::new(["sh", "-c", script].map(str::to_owned).to_vec());
        let identity = Identity::from_seed([1; 32]);
        let dialled = stdio.dial(&identity, &Endpoint("stdio://there".into()), &PeerKey([2; 32])).await;
        (stdio, dialled)
    }

    #[tokio::test]
    async fn greetings_are_no_part_of_the_link() {
        let script = "echo welcome; printf 'no end of line'; echo 'rpar stdio is ready'; exec cat";
        let (stdio, link) = dial(script).await;
        let mut link = link.unwrap();
        link.io.write_all(b"hello").await.unwrap();
        let mut read = [0; 5];
        link.io.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        link.io.shutdown().await.unwrap();
        assert_eq!(link.io.read(&mut read).await.unwrap(), 0, "an end without words is no error");
        drop(link);
        assert_eq!(stdio.ended(), Some(FarEnd { exit: Some(0), words: String::new() }));
    }

    #[tokio::test]
    async fn an_end_before_the_link_is_told_in_its_own_words() {
        let (stdio, link) = dial("echo 'no such host' >&2; exit 255").await;
        assert!(link.unwrap_err().to_string().contains("ended before there was a link"));
        assert_eq!(stdio.ended(), Some(FarEnd { exit: Some(255), words: "no such host".into() }));
        let (_, link) = dial("yes").await;
        assert!(link.unwrap_err().to_string().contains("no link"));
    }

    #[tokio::test]
    async fn an_end_in_the_middle_is_an_error_with_its_words() {
        let (_, link) =
            dial("echo 'rpar stdio is ready'; read -r word; echo connection reset >&2; exit 255").await;
        let mut link = link.unwrap();
        link.io.write_all(b"go\n").await.unwrap();
        let error = link.io.read(&mut [0; 5]).await.unwrap_err();
        assert_eq!(error.to_string(), "connection reset");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed() {
        let (stdio, link) = dial("echo 'rpar stdio is ready'; exec sleep 1000").await;
        assert_eq!(stdio.ended(), None);
        drop(link.unwrap());
        assert_eq!(stdio.ended().unwrap().exit, None);
    }
}
