//! Profiles: found in layers, merged, checked strictly, and resolved with the user's values into what a cluster runs
//! with.
//!
//! ```no_run
//! # fn main() -> Result<(), rpar::profile::ProfileError> {
//! let profiles = rpar::profile::Profiles::current();
//! let carver = profiles.load("carver")?;
//! let values = [("ppn".to_owned(), "8".to_owned()), ("nodes".to_owned(), "2".to_owned())].into();
//! let resolved = carver.resolve(&values, None)?;
//! assert_eq!(resolved.engines.total, 16);
//! # Ok(())
//! # }
//! ```

mod chain;
mod defaults;
mod draft;
mod error;
mod find;
mod hosts;
mod layer;
mod level;
mod merge;
mod nearest;
mod normalise;
mod origin;
mod params;
mod python;
mod render;
mod resolve;
mod resolved;
mod script;
mod section;
mod sections;
mod shipped;
mod surroundings;
mod template;
mod variables;

pub use error::ProfileError;
pub use find::{Listed, Profiles};
pub use level::{LayerFile, Level};
pub use merge::Profile;
pub use origin::{Origin, Origins};
pub use resolved::{ReadError, Resolved};
pub use rpar_core::profile::{Param, ParamType, ParamValue};
pub use script::ScriptPlace;
pub use section::Section;
pub use surroundings::Surroundings;

pub(crate) use draft::Draft;
pub(crate) use find::check_name;
pub(crate) use nearest::nearest;
pub(crate) use surroundings::is_program;
