//! The cluster that a program with functions works on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use super::{Client, Functions};
use crate::cluster::{AttachError, Attached, Wanted, attach};
use crate::paths::{DEFAULT_CLUSTER, DEFAULT_PROFILE};
use crate::profile::Profiles;
use crate::registry::Registry;

/// The cluster that a program works on: the one that runs under its name, else one that is started for this program alone
/// and ends with it. [`Functions::main`] gives it to the program.
///
/// Without further words it is the cluster `default` of the profile that `RPAR_PROFILE` names, else of `local`: this
/// machine's own cores.
#[derive(Clone, Debug)]
pub struct Cluster {
    functions: Arc<Functions>,
    registry: Registry,
    profile: String,
    cluster_id: String,
    values: BTreeMap<String, String>,
    engines: Option<u32>,
    allocate: bool,
}

impl Cluster {
    pub(super) fn new(registry: Registry, functions: Arc<Functions>) -> Self {
        let profile = std::env::var("RPAR_PROFILE").ok().filter(|name| !name.is_empty());
        Cluster {
            functions,
            registry,
            profile: profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
            cluster_id: DEFAULT_CLUSTER.to_owned(),
            values: BTreeMap::new(),
            engines: None,
            allocate: false,
        }
    }

    /// A cluster of another profile.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = name.into();
        self
    }

    /// The cluster of this id, where a profile has several.
    #[must_use]
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.cluster_id = id.into();
        self
    }

    /// How many engines a cluster has that is started for this program; the profile says otherwise. One that runs already
    /// has the engines that it has.
    #[must_use]
    pub fn engines(mut self, engines: u32) -> Self {
        self.engines = Some(engines);
        self
    }

    /// A value for a parameter of the profile, as `rpar start --NAME VALUE` takes it, for a cluster that is started for
    /// this program.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.values.insert(name.into(), value.to_string());
        self
    }

    /// Lets a cluster be started for this program also where that asks the site for nodes, and spends allocation time.
    #[must_use]
    pub fn allocate(mut self) -> Self {
        self.allocate = true;
        self
    }

    /// Links to the cluster, and starts it if need be. Blocks, at most 10 s for the link and 30 s for the start; engines may
    /// come later, and tasks wait for them.
    ///
    /// A cluster that was started goes on while the client, a clone of it, or one of its results is there, and ends in good
    /// order when the last is dropped; killed in any way, the program takes it along.
    ///
    /// # Errors
    /// When the profile makes no sense, the cluster cannot be reached or started, or starting it would spend allocation
    /// time that was not [allowed](Self::allocate).
    pub fn client(&self) -> Result<Client, AttachError> {
        let program = std::env::current_exe().map_err(|source| AttachError::Program { source })?;
        let attached = attach(&Wanted {
            profiles: &Profiles::current(),
            registry: &self.registry,
            profile: &self.profile,
            cluster_id: &self.cluster_id,
            values: &self.values,
            engines: self.engines,
            allocate: self.allocate,
            program: &program,
        })?;
        let Attached { client, throw_away, .. } = attached;
        Ok(Client::new(client, Arc::clone(&self.functions), throw_away))
    }
}
