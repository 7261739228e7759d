//! Fakes and conformance suites for rpar's traits: for its own tests, and for the CI of sites and of those who write
//! backends.

#![expect(clippy::expect_used, clippy::panic, reason = "a suite reports by panicking, as tests do")]

pub mod conformance;
pub mod openpbs;
mod scripted;
mod torque;

pub use openpbs::FakeOpenPbs;
pub use scripted::{Reply, ScriptedRunner};
pub use torque::{FakeTorque, Scenario};
