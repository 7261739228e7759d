//! What the cross-crate tests share.

pub mod binary;
pub mod commands;
pub mod secrets;
pub mod services;
pub mod sim;
pub mod user;
