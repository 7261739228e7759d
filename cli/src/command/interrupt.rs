//! Signals that ask the program to end: noted at first, obeyed at once in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

/// Ctrl-C, SIGTERM, and the terminal's end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    first: Arc<AtomicU8>,
    count: Arc<AtomicU8>,
}

impl Interrupts {
    /// Starts to listen. `at_first` runs on the listener's own thread when the first signal comes; the second one ends
    /// the process.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub(crate) fn watch(at_first: impl FnOnce(u8) + Send + 'static) -> Outcome<Interrupts> {
        Self::watch_more(1, at_first)
    }

    /// The same, with `noted` signals that the program obeys, before the next one ends the process.
    ///
    /// # Errors
    /// As of [`watch`](Self::watch).
    pub(crate) fn watch_more(noted: u8, at_first: impl FnOnce(u8) + Send + 'static) -> Outcome<Interrupts> {
        let interrupts = Interrupts::default();
        let Interrupts { first, count } = interrupts.clone();
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
                count.store(1, Ordering::SeqCst);
                at_first(number);
                for so_far in 2..=noted {
                    next(&mut signals).await;
                    count.store(so_far, Ordering::SeqCst);
                }
                let last = next(&mut signals).await;
                std::process::exit(Exit::Signal(last).code().into());
            });
        };
        std::thread::Builder::new().name("rpar-signals".into()).spawn(listen).map_err(failed)?;
        Ok(interrupts)
    }

    /// The first signal that came, if any.
    pub(crate) fn pending(&self) -> Option<u8> {
        Some(self.first.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }

    /// How many have come.
    pub(crate) fn count(&self) -> u8 {
        self.count.load(Ordering::SeqCst)
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
