//! Conformance suites: what each trait promises, run over every implementation.

pub mod transport;
