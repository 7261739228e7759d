//! What `completions`, `man` and the completion scripts' own question take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) const COMPLETIONS_HELP: &str = "\
For this shell, and with the line in ~/.bashrc or ~/.zshrc for every one:
  source <(rpar completions bash)
  source <(rpar completions zsh)
  rpar completions fish > ~/.config/fish/completions/rpar.fish

A profile's own parameters are completed too:
  rpar --profile carver start --queue <TAB>";

pub(super) const MAN_HELP: &str = "\
Examples:
  rpar man | man -l -                          reads it at once
  rpar man --directory ~/.local/share/man/man1
  man rpar-map                                 then finds the page of each command";

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    pub(crate) shell: Shell,
}

/// The shells that a script is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU bash, 4.0 or later.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell, 3.0 or later.
    Fish,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ManArguments {
    /// Where to write rpar.1, rpar-map.1 and the others, instead of printing rpar.1
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CompleteArguments {
    /// Which of the words is to be completed; the first is 0, and the program's name
    pub(crate) index: usize,
    /// The command line so far
    #[arg(last = true, value_name = "WORD")]
    pub(crate) words: Vec<OsString>,
}
