//! The `rpar` command.
mod arguments;
mod commands;
mod exit;
mod interrupt;
mod output;
mod report;
mod template;

fn main() {}
