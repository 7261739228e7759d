//! What `profile` and its subcommands take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::profile::Level;

const CREATE_HELP: &str = "\
Without --from it extends the profile of the batch system that this host has: slurm, openpbs, torque, else local.
The file loads as it is; what a site mostly changes comes first, the rest is there as comments.

Examples:
  rpar profile create ours                     for yourself
  rpar profile create ours --from torque --site    for everybody, below /etc/rpar/profiles";

const IMPORT_HELP: &str = "\
The file is a Python program: `python3` runs it, with a recorder in place of `c`. What a profile has a word for is carried over:
launchers, numbers, queues, accounts, time limits, hosts, set-up lines and directives of a batch template, addresses. The rest
stands as comments at the end of the new file.

Example:
  rpar profile import ~/.ipython/profile_carver/ipcluster_config.py carver2";

const EDIT_HELP: &str = "\
The editor is $VISUAL, else $EDITOR, else vi. It gets a copy, which is checked when you are done and only then put in place,
so that who uses the profile meanwhile never sees half of it.";

const CHECK_HELP: &str = "\
Reads the profile strictly, renders its job script for the parameters that are given, else for the edges of each, and looks
for what contradicts, is ignored, or shows a secret. Then it looks on this host: commands, addresses, directories; and asks the
batch system, without submitting anything.

--live asks for one node through this very profile, and tells whether it reaches this host, by which of the advertised addresses
and how fast, which Python it has, how soon it sees a new file, and how many cores. Nothing is left behind, also after Ctrl-C.

Each finding says where it is, why it matters and what to do. Exit status: 0 without errors, warnings or not; 110 with one.";

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommands {
    /// Lists the profiles and where each comes from
    List,
    /// Shows a profile as it is in force
    Show(ShowArguments),
    /// Tells which files a profile is made of, and where your own would be
    Path(PathArguments),
    /// Writes a profile to begin with, from what this host has
    #[command(after_help = CREATE_HELP)]
    Create(CreateArguments),
    /// Writes a profile that says what an ipcluster_config.py says
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArguments),
    /// Opens a profile's file in your editor, and checks it before it counts
    #[command(after_help = EDIT_HELP)]
    Edit(EditArguments),
    /// Looks for what is wrong with a profile, before a user does
    #[command(after_help = CHECK_HELP)]
    Check(CheckArguments),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArguments {
    /// Which profile [default: the one of --profile]
    pub(crate) name: Option<String>,
    /// Says for each value where it comes from
    #[arg(long)]
    pub(crate) origins: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PathArguments {
    /// Which profile [default: the one of --profile]
    pub(crate) name: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArguments {
    /// The new profile's name
    pub(crate) name: String,
    /// What it extends: any profile, or pbs, ssh [default: what this host has]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) level: LevelArguments,
    /// Replaces a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ImportArguments {
    /// The configuration of IPython Parallel
    #[arg(value_name = "IPCLUSTER_CONFIG.PY")]
    pub(crate) file: PathBuf,
    /// The new profile's name [default: that of the IPython profile, or ipcluster]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) level: LevelArguments,
    /// Replaces a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EditArguments {
    /// Which profile [default: the one of --profile]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) level: LevelArguments,
}

/// Whose file it is.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct LevelArguments {
    /// The file for everybody: /etc/rpar/profiles, or $RPAR_SITE_PROFILES
    #[arg(long)]
    site: bool,
    /// Your own file: ~/.config/rpar/profiles [the default]
    #[arg(long)]
    user: bool,
    /// The file of the current directory: .rpar/profiles
    #[arg(long)]
    project: bool,
}

impl LevelArguments {
    /// The level that is named.
    pub(crate) fn level(&self) -> Level {
        match (self.site, self.project) {
            (true, _) => Level::Site,
            (_, true) => Level::Project,
            _ => Level::User,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArguments {
    /// Which profile [default: the one of --profile]
    pub(crate) name: Option<String>,
    /// Also asks for one node for a minute, and tells what it finds there
    #[arg(long)]
    pub(crate) live: bool,
    /// How long to wait for that node, such as 90s or 1h30m; a bare number is seconds [default: until it is granted]
    #[arg(long, value_name = "DURATION", value_parser = super::read_limit, requires = "live")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ProbeArguments {
    /// The probe's directory; without it, stdin brings what is in there
    #[arg(long)]
    pub(crate) directory: Option<PathBuf>,
    /// In an engine host's place
    #[arg(long)]
    pub(crate) node: bool,
}
