//! rpar as a library: the client for Rust programs, and what the command `rpar` is made of.
//!
//! Programs that map functions begin with [`Functions`], or, to use a cluster whose engines run another program, with
//! [`Client::connect`]. Programs with backends of their own begin with [`command::run`]. The rest is profiles, the registry
//! of backends, sites, and where clusters keep their files: other programs can do all that the command does.

mod api;
pub mod check;
pub mod cluster;
pub mod command;
mod connect;
mod ipcluster;
pub mod paths;
mod probe;
pub mod profile;
pub mod registry;
mod remote;
pub mod site;
mod survey;
mod told;

pub use api::{
    Argument, Arguments, AsyncResult, Balanced, Callable, Client, Cluster, Command, CommandError, Direct,
    DirectView, Each, Ended, Functions, LoadBalancedView, Many, Metadata, Named, One, Progress, Results,
    Shape, Stream, TargetError, Targets, TaskError, Unordered, View,
};
pub use cluster::AttachError;
pub use connect::ConnectError;
pub use registry::Registry;
pub use remote::RemoteError;
pub use rpar_core::id::EngineId;
pub use rpar_core::resources::Resources;
pub use rpar_core::task::{self, AfterEnd, CommandOutcome, TaskStatus};
pub use rpar_core::wire::ClusterStatus;
pub use rpar_runtime::client::ClientError;
pub use site::{Site, SiteError};

/// The client beneath [`Client`]: payloads are bytes, and functions what their kind says. For clients in other languages.
pub mod raw {
    pub use crate::connect::{connect, connect_file, connect_with};
    pub use rpar_core::id::TaskId;
    pub use rpar_core::wire::{Change, Retirees};
    pub use rpar_runtime::client::{
        Client, Defined, Event, Group, Heard, Listening, Outcome, Piece, TaskOutput,
    };
    pub use rpar_runtime::native::NativeFunctions;
}

/// The examples of the guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rust.md")]
struct Guide;
