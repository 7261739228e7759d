//! The tokio shells around rpar-core's machines: controller, engine host, pilot and client. They bring what a machine
//! has not: sockets, files, processes, a clock.

pub mod client;
pub mod clock;
mod command;
pub mod controller;
pub mod engine;
pub mod files;
pub mod link;
pub mod native;
mod panics;
pub mod pilot;
mod process;
mod program;
mod python;

pub use process::run;
