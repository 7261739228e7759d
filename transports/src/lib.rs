//! Transports of rpar: authenticated, encrypted, ordered byte streams.
//!
//! [`Tcp`] is what clusters use; [`Stdio`] is a program's stdin and stdout, such as ssh's; [`Mem`] links machines within one
//! process, for tests.

mod mem;
mod stdio;
mod tcp;

pub use mem::Mem;
pub use stdio::{FarEnd, READY, Stdio};
pub use tcp::{Tcp, TcpConfig};
