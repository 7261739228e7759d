//! The Python module `rpar._rpar`: the client, with the GIL released around everything that blocks, and many tasks for
//! each crossing between the languages. The package `rpar` around it is pure Python.

mod ended;
mod failure;
mod group;
mod options;
mod printed;
mod sent;
mod session;
mod wait;
mod watch;

use pyo3::prelude::*;

/// The compiled half of the package `rpar`.
#[pymodule]
mod _rpar {
    #[pymodule_export]
    use super::ended::Ended;
    #[pymodule_export]
    use super::failure::Failure;
    #[pymodule_export]
    use super::group::Group;
    #[pymodule_export]
    use super::options::Options;
    #[pymodule_export]
    use super::printed::{Listening, Piece};
    #[pymodule_export]
    use super::session::{Function, Session, connect};
    #[pymodule_export]
    use super::watch::Watch;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python packages use")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
