//! Which backends there are: a name and a way to make one, for each scheduler, launcher and transport.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rpar_backends::{
    Batch, Dialect, Exec, SshRunner, auto, fork, hosts, local, mpiexec, pbs, pbsdsh, slurm, srun, ssh, torque,
};
use rpar_core::launcher::Launcher;
use rpar_core::runner::Runner;
use rpar_core::scheduler::Scheduler;
use rpar_core::transport::Transport;
use rpar_transports::Tcp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::profile::{ProfileError, Section, Surroundings};
use crate::remote::{is_host, ssh};
use crate::site::SiteError;

/// Makes a backend from its section of a profile.
pub type Factory<T> = Arc<dyn Fn(&Section) -> Result<Arc<T>, ProfileError> + Send + Sync>;

/// The backends that profiles can name.
#[derive(Clone, Default)]
pub struct Registry {
    schedulers: BTreeMap<String, Factory<dyn Scheduler>>,
    launchers: BTreeMap<String, Factory<dyn Launcher>>,
    transports: BTreeMap<String, Factory<dyn Transport>>,
}

impl Registry {
    /// A registry without any backend.
    pub fn empty() -> Self {
        Registry::default()
    }

    /// All backends that come with rpar.
    pub fn builtin() -> Self {
        let exec = || -> Arc<dyn Runner> { Arc::new(Exec) };
        Registry::empty()
            .scheduler("hosts", |section| Ok(Arc::new(hosts::Hosts::new(section.parse()?))))
            .scheduler("local", |section| Ok(Arc::new(local::Local::new(section.parse()?))))
            .scheduler("pbs", |section| batch(section, pbs::Pbs::new))
            .scheduler("slurm", |section| batch(section, slurm::Slurm::new))
            .scheduler("torque", |section| batch(section, torque::Torque::new))
            .launcher("auto", move |section| {
                let environment = Surroundings::current().variables;
                Ok(Arc::new(auto::Auto::new(section.parse()?, environment, exec())))
            })
            .launcher("fork", |section| Ok(Arc::new(fork::Fork::new(section.parse()?))))
            .launcher("mpiexec", |section| Ok(Arc::new(mpiexec::Mpiexec::new(section.parse()?))))
            .launcher("pbsdsh", move |section| {
                let environment = Surroundings::current().variables;
                Ok(Arc::new(pbsdsh::Pbsdsh::new(section.parse()?, environment, exec())))
            })
            .launcher("srun", move |section| Ok(Arc::new(srun::Srun::new(section.parse()?, exec()))))
            .launcher("ssh", |section| Ok(Arc::new(ssh::Ssh::new(section.parse()?))))
            .transport("tcp", |section| Ok(Arc::new(Tcp::new(section.parse()?))))
    }

    /// Adds a scheduler, in place of any other of this name.
    #[must_use]
    pub fn scheduler(
        mut self,
        kind: &str,
        factory: impl Fn(&Section) -> Result<Arc<dyn Scheduler>, ProfileError> + Send + Sync + 'static,
    ) -> Self {
        self.schedulers.insert(kind.to_owned(), Arc::new(factory));
        self
    }

    /// Adds a launcher, in place of any other of this name.
    #[must_use]
    pub fn launcher(
        mut self,
        kind: &str,
        factory: impl Fn(&Section) -> Result<Arc<dyn Launcher>, ProfileError> + Send + Sync + 'static,
    ) -> Self {
        self.launchers.insert(kind.to_owned(), Arc::new(factory));
        self
    }

    /// Adds a transport, in place of any other of this name.
    #[must_use]
    pub fn transport(
        mut self,
        kind: &str,
        factory: impl Fn(&Section) -> Result<Arc<dyn Transport>, ProfileError> + Send + Sync + 'static,
    ) -> Self {
        self.transports.insert(kind.to_owned(), Arc::new(factory));
        self
    }

    /// Makes the scheduler that a section names.
    ///
    /// # Errors
    /// When there is none of this name, or it refuses the section.
    pub fn make_scheduler(&self, section: &Section) -> Result<Arc<dyn Scheduler>, SiteError> {
        make(&self.schedulers, section)
    }

    /// Makes the launcher that a section names.
    ///
    /// # Errors
    /// When there is none of this name, or it refuses the section.
    pub fn make_launcher(&self, section: &Section) -> Result<Arc<dyn Launcher>, SiteError> {
        make(&self.launchers, section)
    }

    /// Makes the transport that a section names.
    ///
    /// # Errors
    /// When there is none of this name, or it refuses the section.
    pub fn make_transport(&self, section: &Section) -> Result<Arc<dyn Transport>, SiteError> {
        make(&self.transports, section)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("schedulers", &self.schedulers.keys())
            .field("launchers", &self.launchers.keys())
            .field("transports", &self.transports.keys())
            .finish()
    }
}

/// A batch system, whose commands run here, or where `ssh_host` says.
fn batch<C: DeserializeOwned, D: Dialect>(
    section: &Section,
    dialect: impl Fn(C) -> D,
) -> Result<Arc<dyn Scheduler>, ProfileError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Place {
        ssh_host: Option<String>,
    }
    let (Place { ssh_host }, section) = section.split(&["ssh_host"])?;
    let runner: Arc<dyn Runner> = match ssh_host {
        None => Arc::new(Exec),
        Some(host) if is_host(&host) => Arc::new(SshRunner::new(ssh(), host)),
        Some(host) => return Err(section.wrong("ssh_host", &host, "a host, as ssh knows it")),
    };
    Ok(Arc::new(Batch::new(dialect(section.parse()?), runner)))
}

fn make<T: ?Sized>(factories: &BTreeMap<String, Factory<T>>, section: &Section) -> Result<Arc<T>, SiteError> {
    match factories.get(section.kind()) {
        Some(factory) => factory(section).map_err(SiteError::Profile),
        None => Err(SiteError::unknown(section, factories.keys().map(String::as_str))),
    }
}
