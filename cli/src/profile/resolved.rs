//! A resolved profile: what `rpar start` writes into the cluster's directory, and controller, pilot and engine hosts
//! read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rpar_core::profile::{
    ControllerSection, EnginesSection, PythonSection, RequestSection, Scalar, StorageSection,
};
use rpar_core::transport::Endpoint;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::Table;

use super::error::ProfileError;
use super::origin::Origins;
use super::section::{self, Section};

/// Everything a cluster runs with. Holds no secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The profile's name.
    pub profile: String,
    /// Where the controller listens.
    pub listen: Vec<Endpoint>,
    /// The parameters' values, without those that have none.
    pub params: BTreeMap<String, Scalar>,
    /// What is asked of the scheduler, whatever its kind.
    pub request: RequestSection,
    /// The scheduler's `kind` and its own options.
    pub scheduler: Table,
    /// The launcher's `kind` and its own options.
    pub launcher: Table,
    /// The transport's `kind` and its own options.
    pub transport: Table,
    /// The controller.
    pub controller: ControllerSection,
    /// The engines.
    pub engines: EnginesSection,
    /// The engines' Python.
    pub python: PythonSection,
    /// Where the cluster's files are.
    pub storage: StorageSection,
    /// Whether the nodes are those of an allocation that the user holds already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub here: bool,
    /// Where all this was set; after [`Resolved::read`], the file that was read.
    #[serde(skip)]
    pub(crate) origins: Origins,
}

/// A cluster's `profile.toml` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot read the cluster's profile {}: {reason}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Resolved {
    /// The file's name in a cluster's directory.
    pub const FILE: &'static str = "profile.toml";

    /// The text of the file.
    ///
    /// # Errors
    /// When a value has no form in TOML, which none of a checked profile's values can be.
    pub fn to_toml(&self) -> Result<String, ProfileError> {
        toml::to_string_pretty(self).map_err(|error| ProfileError::Template {
            place: format!("profile {}", self.profile),
            key: Self::FILE.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Reads back what [`Resolved::to_toml`] wrote.
    ///
    /// # Errors
    /// When the file is not there or is not such a file, for example one of another build.
    pub fn read(path: &Path) -> Result<Resolved, ReadError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| ReadError { path: path.to_owned(), reason: error.to_string() })?;
        Resolved::parse(&text, path)
    }

    /// Reads the text of such a file; `path` is what messages call it.
    ///
    /// # Errors
    /// When it is not such a text, for example one of another build.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Resolved, ReadError> {
        let failed = |reason: String| ReadError { path: path.to_owned(), reason };
        let table: Table = toml::from_str(text).map_err(|error| failed(error.message().to_owned()))?;
        let origins = Origins::whole_file(path.to_owned());
        let read = section::parse::<Resolved>(&table, "", &origins);
        read.map(|resolved| Resolved { origins, ..resolved }).map_err(|error| failed(error.to_string()))
    }

    /// `[scheduler]` for its backend.
    ///
    /// # Errors
    /// When it has no `kind`.
    pub fn scheduler(&self) -> Result<Section, ProfileError> {
        Section::new("scheduler", &self.scheduler, &self.origins)
    }

    /// `[launcher]` for its backend.
    ///
    /// # Errors
    /// When it has no `kind`.
    pub fn launcher(&self) -> Result<Section, ProfileError> {
        Section::new("launcher", &self.launcher, &self.origins)
    }

    /// `[transport]` for its backend.
    ///
    /// # Errors
    /// When it has no `kind`.
    pub fn transport(&self) -> Result<Section, ProfileError> {
        Section::new("transport", &self.transport, &self.origins)
    }

    /// Which layer, file and flag set each value.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }
}
