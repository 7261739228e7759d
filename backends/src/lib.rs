//! Schedulers and launchers of rpar, one file each.
//!
//! | `[scheduler] kind` | how to make it |
//! |---|---|
//! | `local` | [`local::Local::new`]`(`[`local::Config`]`)` |
//! | `hosts` | [`hosts::Hosts::new`]`(`[`hosts::Config`]`)` |
//! | `torque` | [`Batch::new`]`(`[`torque::Torque::new`]`(`[`torque::Config`]`), runner)` |
//! | `pbs` | [`Batch::new`]`(`[`pbs::Pbs::new`]`(`[`pbs::Config`]`), runner)` |
//! | `slurm` | [`Batch::new`]`(`[`slurm::Slurm::new`]`(`[`slurm::Config`]`), runner)` |
//!
//! | `[launcher] kind` | how to make it |
//! |---|---|
//! | `fork` | [`fork::Fork::new`]`(`[`fork::Config`]`)` |
//! | `mpiexec` | [`mpiexec::Mpiexec::new`]`(`[`mpiexec::Config`]`)` |
//! | `pbsdsh` | [`pbsdsh::Pbsdsh::new`]`(`[`pbsdsh::Config`]`, environment, runner)` |
//! | `srun` | [`srun::Srun::new`]`(`[`srun::Config`]`, runner)` |
//! | `ssh` | [`ssh::Ssh::new`]`(`[`ssh::Config`]`)` |
//! | `auto` | [`auto::Auto::new`]`(`[`auto::Config`]`, environment, runner)` |
//!
//! Every `Config` is the backend's own part of its section of a profile, read strictly by serde. The runner is
//! [`Exec`] for this host, or an [`SshRunner`] for another.

pub mod auto;
mod batch;
mod beside;
mod carried;
mod children;
mod dialect;
mod elements;
mod exec;
pub mod fork;
pub mod here;
mod hostlist;
pub mod hosts;
pub mod local;
pub mod mpiexec;
mod pace;
pub mod pbs;
pub mod pbsdsh;
mod process;
mod script;
pub mod shell;
pub mod slurm;
pub mod srun;
pub mod ssh;
mod ssh_runner;
pub mod torque;
mod watched;

pub use batch::Batch;
pub use beside::own_allocation;
pub use dialect::{Dialect, Refusal, Rule, States};
pub use exec::{Exec, OUTPUT_LIMIT};
pub use ssh_runner::SshRunner;
