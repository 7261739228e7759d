//! Signals that ask the program to end: noted first, obeyed at once the second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

/// Ctrl-C, SIGTERM, and the terminal's end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    first: Arc<AtomicU8>,
}

impl Interrupts {
    /// Starts to listen. `at_first` runs on the listener's own thread when the first one comes.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub(crate) fn watch(at_first: impl FnOnce(u8) + Send + 'static) -> Outcome<Interrupts> {
        let first = Arc::new(AtomicU8::new(0));
        let interrupts = Interrupts { first: first.clone() };
        let failed = |error| Report::of(Exit::Files, &error).because("signals cannot be watched");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
        let mut signals = {
            let _inside = runtime.enter();
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let ignored = ignored();
            kinds
                .into_iter()
                .filter(|kind| ignored & (1 << (kind.as_raw_value() - 1)) == 0)
                .map(|kind| signal(kind).map(|signal| (kind.as_raw_value() as u8, signal)))
                .collect::<Result<Vec<_>, _>>()
                .map_err(failed)?
        };
        let listen = move || {
            runtime.block_on(async {
                let number = next(&mut signals).await;
                first.store(number, Ordering::SeqCst);
                at_first(number);
                let again = next(&mut signals).await;
                std::process::exit(Exit::Signal(again).code().into());
            });
        };
        std::thread::Builder::new().name("rpar-signals".into()).spawn(listen).map_err(failed)?;
        Ok(interrupts)
    }

    /// The first signal that came, if any.
    pub(crate) fn pending(&self) -> Option<u8> {
        Some(self.first.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }
}

/// The signals that whoever started us wants ignored, as nohup(1) does: `SigIgn` of proc_pid_status(5), bit N-1 for
/// signal N.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

async fn next(signals: &mut [(u8, Signal)]) -> u8 {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
