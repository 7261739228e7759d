//! Conformance suites: what each trait promises, run over every implementation.

pub mod launcher;
pub mod scheduler;
pub mod transport;
