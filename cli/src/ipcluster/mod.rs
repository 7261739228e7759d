//! What a configuration of ipcluster says, as a profile: for those who come from IPython Parallel.

mod file;
mod read;
mod script;
mod settings;
mod system;
mod translate;

pub(crate) use read::{ReadError, read};
pub(crate) use translate::{Translation, TranslationError, translate};
