//! Where a panic was, and what it said: by the time it is caught, only the latter is known.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use rpar_core::task::Failure;

thread_local! {
    /// File, line and column of the thread's latest panic, and its backtrace.
    static LATEST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// From now on the places of panics are noted. What was done about panics before is still done after that: usually a
/// line goes to stderr, which is the node's log.
pub(crate) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            LATEST.set(Some((place(info), backtrace())));
            before(info);
        }));
    });
}

/// Why a task failed whose function panicked with `payload`, on this thread, just now.
pub(crate) fn failure(payload: &(dyn Any + Send)) -> Failure {
    // a panic that somebody raised again has run no hook
    let (place, detail) = LATEST.take().unwrap_or_default();
    Failure { detail, ..Failure::new(format!("panicked{place}: {}", said(payload))) }
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map(|place| format!(" at {place}")).unwrap_or_default()
}

/// The stack, if `RUST_BACKTRACE` asks for it: that takes a while.
fn backtrace() -> String {
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured { backtrace.to_string() } else { String::new() }
}

/// What a panic said, if it was text, as it is from `panic!`.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with something other than text")
}
