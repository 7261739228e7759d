//! The heart of rpar: what a scheduler, a launcher and a transport must do, the data they exchange, the wire
//! protocol, and the state machines of controller, engine host and client.
//!
//! This crate does no IO, reads no clock and draws no random numbers of its own: the shells in `rpar-runtime`
//! bring those, and so do the simulator and the tests. Whoever writes a backend depends on this crate alone.

pub mod client;
pub mod connection;
pub mod controller;
pub mod engine_host;
pub mod error;
pub mod id;
pub mod launcher;
pub mod profile;
mod ranges;
pub mod resources;
pub mod runner;
pub mod scheduler;
pub mod signal;
mod spares;
pub mod task;
pub mod time;
mod transfer;
pub mod transport;
pub mod wire;
