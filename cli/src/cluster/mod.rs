//! A cluster's life, as whoever starts and stops it sees it: the controller is brought up, its engines are waited for,
//! and in the end everything is given back, also when the controller is dead.

mod attach;
mod describe;
mod directory;
pub(crate) mod elsewhere;
mod further;
pub(crate) mod granted;
mod launch;
mod lock;
mod orphan;
mod remains;
mod setup;
mod stop;
mod throw_away;
mod wait;

pub use attach::AttachError;
pub(crate) use attach::{Attached, Wanted, attach};
pub use describe::waiting;
pub(crate) use describe::{allocation as describe_allocation, detail, phase_word, plural, state_word};
pub use directory::ClusterState;
pub use further::FurtherError;
pub(crate) use further::{further, further_file, write_further};
pub use launch::{Launch, LaunchError};
pub use lock::{Lock, LockError};
pub(crate) use orphan::find_controller;
pub(crate) use remains::{clusters_and_remains, empty_directories, forgotten_locks};
pub(crate) use setup::growth;
pub use setup::{SetupError, controller_setup};
pub(crate) use stop::find;
pub(crate) use stop::release;
pub(crate) use stop::{END_WITHIN, RELEASE_WITHIN, kill};
pub use stop::{StopError, connect, discard, discard_stopped, stop};
pub(crate) use throw_away::ThrowAway;
pub use throw_away::ThrowAwayError;
pub use wait::{WaitError, wait_for_engines};
pub(crate) use wait::{of_requests, wait_for_leaving, wait_for_requests, waiting_for};
