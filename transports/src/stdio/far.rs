//! The program at a link's other end: what it says, and how it ends.

use std::io::{self, Read};
use std::process::{Child, ChildStderr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much of what it writes to stderr is kept: about a screenful.
const WORDS_BYTES: usize = 4 << 10;

/// How long its last words may come after its end: another process may hold its stderr open (ssh's `ControlPersist`).
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How often it is looked at while its end is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// How the program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarEnd {
    /// Exit status; `None` if a signal killed it.
    pub exit: Option<i32>,
    /// The last that it wrote to stderr.
    pub words: String,
}

#[derive(Debug)]
pub(super) struct Far {
    child: Mutex<Child>,
    said: Mutex<Said>,
    heard: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    words: Vec<u8>,
    over: bool,
}

impl Far {
    /// Listens to it, on a thread that ends with the last who holds its stderr.
    pub(super) fn attend(child: Child, stderr: ChildStderr) -> io::Result<Arc<Far>> {
        let far = Arc::new(Far { child: Mutex::new(child), said: Mutex::default(), heard: Condvar::new() });
        let listener = Arc::clone(&far);
        let listen = move || listener.listen(stderr);
        std::thread::Builder::new().name("rpar-far".to_owned()).spawn(listen)?;
        Ok(far)
    }

    fn listen(&self, mut stderr: ChildStderr) {
        let mut part = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut part) {
            let mut said = whole(&self.said);
            said.words.extend_from_slice(&part[..count]);
            let extra = said.words.len().saturating_sub(WORDS_BYTES);
            said.words.drain(..extra);
        }
        whole(&self.said).over = true;
        self.heard.notify_all();
    }

    /// Forgets what it has said so far.
    pub(super) fn forget(&self) {
        whole(&self.said).words.clear();
    }

    /// What it said last, once it has said all; waits a moment for that.
    pub(super) fn words(&self) -> String {
        let waiting = self.heard.wait_timeout_while(whole(&self.said), LAST_WORDS, |said| !said.over);
        let (said, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said.words).trim_end().replace('\r', "")
    }

    /// How it has ended, if it does so in time.
    pub(super) fn ended(&self, patience: Duration) -> Option<FarEnd> {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = whole(&self.child).try_wait() {
                return Some(FarEnd { exit: status.code(), words: self.words() });
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }

    pub(super) fn kill(&self) {
        let mut child = whole(&self.child);
        // it may have ended just now
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What is behind a lock is whole after every statement that can panic.
fn whole<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn what_is_forgotten_does_not_count_as_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo news >&2; read -r word; echo gone >&2; exit 3"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take().unwrap());
        let far = Far::attend(child, stderr).unwrap();
        while far.words().is_empty() {}
        far.forget();
        drop(stdin);
        let end = far.ended(Duration::from_secs(60)).unwrap();
        assert_eq!(end, FarEnd { exit: Some(3), words: "gone".into() });
    }
}
