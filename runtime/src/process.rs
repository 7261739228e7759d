//! How a process of rpar runs what it is.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;

/// Runs `process` on the runtime that measures best for it: everything on this one thread. It is a task like those that it
/// starts; a runtime's first future would be asked only after a look at all sockets, every time that it is woken.
///
/// # Errors
/// When the system gives no runtime.
pub fn run<T: Send + 'static>(process: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(runtime.spawn(process)) {
        Ok(ended) => Ok(ended),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(io::Error::other(error)),
    }
}
