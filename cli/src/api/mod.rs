//! The client that Rust programs use: views, typed results, and a program's functions.

mod arguments;
mod callable;
mod client;
mod cluster;
mod command;
mod direct;
mod error;
mod functions;
mod metadata;
mod payload;
mod result;
mod results;
mod shape;
mod stream;
mod tasks;
mod view;

pub use arguments::{Argument, Arguments};
pub use callable::{Callable, Named};
pub use client::Client;
pub use cluster::Cluster;
pub use command::{Command, CommandError};
pub use direct::{Direct, DirectView, Targets};
pub use error::{TargetError, TaskError};
pub use functions::Functions;
pub use metadata::{Metadata, Progress};
pub use result::AsyncResult;
pub use results::{Ended, Results, Unordered};
pub use shape::{Each, Many, One, Shape};
pub use stream::Stream;
pub use view::{Balanced, LoadBalancedView, View};
