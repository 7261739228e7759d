//! The `rpar` command.
mod template;

fn main() {}
