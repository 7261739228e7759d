//! The sections of a profile whose parameters have their values.

use std::collections::BTreeMap;

use rpar_core::profile::{
    ControllerSection, EnginesSection, Param, Place, PythonSection, RequestSection, Scalar, StorageSection,
    duration,
};
use rpar_core::transport::Endpoint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::ProfileError;
use super::normalise::STANDARD;
use super::origin::Origin;
use super::resolve::{Resolving, common};
use super::resolved::Resolved;
use super::{python, section};
use crate::remote::is_host;

impl Resolving<'_> {
    pub(super) fn finish(mut self, total: Option<u32>) -> Result<Resolved, ProfileError> {
        let (nodes, ppn) = (self.count("nodes"), self.count("ppn"));
        let all = || self.engines_of_hosts(nodes).unwrap_or_else(|| nodes.saturating_mul(ppn));
        let total = total.unwrap_or_else(all);
        let total = Value::Integer(total.into());
        let mut engines: EnginesSection =
            self.section("engines", Table::from_iter([("total".to_owned(), total)]))?;
        engines.program = engines.program.map(|program| self.absolute(program)).transpose()?;
        if let Some((name, expected)) = engines.wrong_resource() {
            let given = format!("`{}`", engines.resources[name]);
            return Err(self.wrong(&format!("engines.resources.{name}"), given, expected));
        }
        let controller: ControllerSection = self.section("controller", Table::new())?;
        self.check_heartbeat(&controller)?;
        self.check_host(&controller)?;
        let mut storage: StorageSection = self.section("storage", Table::new())?;
        let mut python: PythonSection = self.section("python", Table::new())?;
        let found = || match storage.shared {
            true => python::find(&self.profile.surroundings).map(|path| path.display().to_string()),
            // a path of this host means nothing there
            false => Some("python3".to_owned()),
        };
        python.executable = python.executable.or_else(found);
        let expand = |dir: String| self.profile.surroundings.expand(&dir).display().to_string();
        storage.dir = storage.dir.map(expand);
        let template = self.template()?;
        let mut scheduler = self.rendered("scheduler")?;
        self.place_hostfile(&mut scheduler);
        let mut request = take_common("scheduler", &mut scheduler);
        request.extend(template.map(|text| ("template".to_owned(), Value::String(text))));
        let request: RequestSection = section::parse(&request, "scheduler", &self.origins)?;
        self.check_job_name(&request.name)?;
        let mut transport = self.rendered("transport")?;
        let listen = self.listen(take_common("transport", &mut transport), &transport)?;
        Ok(Resolved {
            profile: self.profile.name.clone(),
            listen,
            params: self.params(),
            request,
            scheduler,
            launcher: self.rendered("launcher")?,
            transport,
            controller,
            engines,
            python,
            storage,
            here: false,
            origins: std::mem::take(&mut self.origins),
        })
    }

    /// A section of rpar's own, rendered and strictly parsed, with `more` in it.
    pub(super) fn section<T: DeserializeOwned>(&self, name: &str, more: Table) -> Result<T, ProfileError> {
        let mut table = self.rendered(name)?;
        table.extend(more);
        section::parse(&table, name, &self.origins)
    }

    fn rendered(&self, section: &str) -> Result<Table, ProfileError> {
        let empty = Table::new();
        let table = self.profile.table.get(section).and_then(Value::as_table).unwrap_or(&empty);
        let mut rendered = Table::new();
        for (key, value) in table {
            let standard = STANDARD.iter().find(|(_, home, name)| *home == section && name == key);
            let value = match standard {
                Some((param, ..)) => self.variable(param),
                None if key == "template" || key == "template_file" => None,
                None => self.render(value, &format!("{section}.{key}"))?,
            };
            rendered.extend(value.map(|value| (key.clone(), value)));
        }
        Ok(rendered)
    }

    fn listen(&self, common: Table, transport: &Table) -> Result<Vec<Endpoint>, ProfileError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Listen {
            #[serde(default)]
            listen: Vec<Endpoint>,
        }
        let Listen { listen } = section::parse(&common, "transport", &self.origins)?;
        if !listen.is_empty() {
            return Ok(listen);
        }
        let kind = transport.get("kind").and_then(Value::as_str).unwrap_or_default();
        Ok(vec![Endpoint(format!("{kind}://0.0.0.0:0"))])
    }

    fn check_host(&self, controller: &ControllerSection) -> Result<(), ProfileError> {
        let expected = "a host, as ssh knows it";
        match (controller.r#where, &controller.host) {
            (Place::Ssh, None) => {
                let key = "controller.host".to_owned();
                let place = self.origins.place("controller.where");
                Err(ProfileError::Missing { place, key, expected: expected.to_owned() })
            }
            (_, Some(host)) if !is_host(host) => {
                Err(self.wrong("controller.host", format!("`{host}`"), expected))
            }
            _ => Ok(()),
        }
    }

    fn check_heartbeat(&self, controller: &ControllerSection) -> Result<(), ProfileError> {
        let (heartbeat, lost_after) = (controller.heartbeat, controller.lost_after);
        if lost_after >= 2 * heartbeat {
            return Ok(());
        }
        // blame what somebody has set
        let (blamed, value, expected, other) = match self.origins.of("controller.lost_after") {
            Some(Origin::BuiltIn) => {
                ("controller.heartbeat", heartbeat, "at most half of `controller.lost_after`", lost_after)
            }
            _ => ("controller.lost_after", lost_after, "at least twice `controller.heartbeat`", heartbeat),
        };
        let value = format!("`{}`", duration::display(value));
        Err(self.wrong(blamed, value, format!("{expected}, which is {}", duration::display(other))))
    }

    /// A cluster's tag is this name, `-` and 8 digits, and Torque takes 15 characters beginning with a letter.
    fn check_job_name(&self, name: &str) -> Result<(), ProfileError> {
        let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
        if first && name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(());
        }
        let key = match self.origins.of("scheduler.name") {
            Some(Origin::BuiltIn) => "params.name.default",
            _ => "scheduler.name",
        };
        let expected = "1 to 6 letters and digits, beginning with a letter";
        Err(self.wrong(key, format!("`{name}`"), expected))
    }

    fn absolute(&self, program: String) -> Result<String, ProfileError> {
        if program.starts_with('/') {
            return Ok(program);
        }
        Err(self.wrong("engines.program", format!("`{program}`"), "an absolute path"))
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let scalar = self.variables.get(name).cloned().flatten()?;
        Value::try_from(scalar).ok()
    }

    /// The parameters that have a value. What a list of hosts has told of its cores holds for those hosts alone.
    fn params(&self) -> BTreeMap<String, Scalar> {
        let own = |param: &&Param| param.name != "ppn" || self.hosts.is_empty();
        let params = self.profile.params.iter().filter(own).filter_map(|param| {
            Some((param.name.clone(), self.variables.get(&param.name).cloned().flatten()?))
        });
        params.collect()
    }
}

fn take_common(section: &str, table: &mut Table) -> Table {
    let taken = common(section).iter().filter_map(|key| Some(((*key).to_owned(), table.remove(*key)?)));
    taken.collect()
}
