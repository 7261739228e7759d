//! rpar as a library: profiles, the registry of backends, sites, where clusters keep their files, and the client.
//! The command `rpar` is a thin layer above this; other programs can do all that it does, and a program with backends of
//! its own can be that command ([`command::run`]).

pub mod cluster;
pub mod command;
mod connect;
pub mod paths;
pub mod profile;
pub mod registry;
pub mod site;

pub use connect::{ConnectError, connect, connect_file, connect_with};
pub use registry::Registry;
pub use rpar_core::id::EngineId;
pub use rpar_core::task;
pub use rpar_core::wire::ClusterStatus;
pub use rpar_runtime::client::{Client, ClientError, Defined, Group, Outcome};
pub use rpar_runtime::native::NativeFunctions;
pub use site::{Site, SiteError};
