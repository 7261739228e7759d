//! A cluster's life, as whoever starts and stops it sees it: the controller is brought up, its engines are waited for,
//! and in the end everything is given back, also when the controller is dead.

mod describe;
mod directory;
mod launch;
mod lock;
mod setup;
mod stop;
mod wait;

pub use describe::{allocation, phase_word, plural, waiting};
pub use directory::ClusterState;
pub use launch::{Launch, LaunchError};
pub use lock::{Lock, LockError};
pub use setup::{SetupError, allocation_request, controller_setup};
pub use stop::{StopError, connect, discard, discard_stopped, kill, release, stop};
pub use wait::{WaitError, wait_for_engines};
