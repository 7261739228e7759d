//! What the cross-crate tests share.

pub mod binary;
pub mod services;
pub mod sim;
