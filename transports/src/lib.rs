//! Transports of rpar: authenticated, encrypted, ordered byte streams.
//!
//! [`Tcp`] is what clusters use; [`Mem`] links machines within one process, for tests.

mod mem;
mod tcp;

pub use mem::Mem;
pub use tcp::{Tcp, TcpConfig};
