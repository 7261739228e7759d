//! From a profile and the user's values to what a cluster runs with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rpar_core::profile::{
    ControllerSection, EnginesSection, Param, ParamValue, PythonSection, RequestSection, Scalar,
    StorageSection, duration,
};
use rpar_core::transport::Endpoint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::{ProfileError, suggestion};
use super::layer::Layer;
use super::merge::Profile;
use super::normalise::STANDARD;
use super::origin::{Origin, Origins};
use super::render::{self, Variables};
use super::resolved::Resolved;
use super::{python, section};

/// Keys that rpar takes out of the sections of schedulers and transports, whatever their kind.
pub(crate) const COMMON: [&str; 8] =
    ["queue", "walltime", "account", "name", "setup", "template", "template_file", "listen"];

/// The variables that only a whole job script has.
pub(crate) const SCRIPT: [&str; 4] = ["name", "pilot", "directory", "log"];

impl Profile {
    /// Resolves the profile with the user's values (by parameter, as typed) and, if given, the total of engines: then
    /// nodes are as many as that needs, and the last one may be short.
    ///
    /// # Errors
    /// When a value is not allowed, a template cannot be rendered, or one of rpar's own sections is wrong. The
    /// backends' sections are checked by [`Site::new`](crate::site::Site::new).
    pub fn resolve(
        &self,
        values: &BTreeMap<String, String>,
        total: Option<u32>,
    ) -> Result<Resolved, ProfileError> {
        let mut resolving = Resolving::new(self, values)?;
        resolving.settle_standard(total)?;
        resolving.finish(total)
    }

    /// Where the profile keeps its clusters, if it says; for finding one without knowing what it was started with.
    pub(crate) fn storage_dir(&self) -> Result<Option<String>, ProfileError> {
        let none = BTreeMap::new();
        let mut resolving = Resolving::new(self, &none)?;
        resolving.settle_standard(None)?;
        let storage = resolving.section::<StorageSection>("storage", Table::new())?;
        Ok(storage.dir.map(|dir| self.surroundings.expand(&dir).display().to_string()))
    }
}

struct Resolving<'a> {
    profile: &'a Profile,
    variables: Variables,
    given: BTreeSet<&'a str>,
    origins: Origins,
}

impl<'a> Resolving<'a> {
    fn new(profile: &'a Profile, values: &'a BTreeMap<String, String>) -> Result<Self, ProfileError> {
        let mut variables = Profile::facts(&profile.surroundings, &profile.name);
        for param in &profile.params {
            variables.insert(param.name.clone(), param.default.as_ref().map(ParamValue::to_scalar));
        }
        let mut origins = profile.origins.clone();
        for (name, text) in values {
            let known = profile.params.iter().map(|param| param.name.as_str());
            let param = profile.params.iter().find(|param| param.name == *name);
            let param = param.ok_or_else(|| ProfileError::UnknownParam {
                profile: profile.name.clone(),
                name: name.clone(),
                suggestion: suggestion(name, "parameters", known),
            })?;
            let flag = Origin::Flag(name.clone());
            let value = accept(param, &Scalar::Text(text.clone()), &flag.to_string(), name)?;
            variables.insert(name.clone(), Some(value.to_scalar()));
            origins.set(&format!("params.{name}.default"), flag, None);
        }
        let given = values.keys().map(String::as_str).collect();
        Ok(Resolving { profile, variables, given, origins })
    }

    /// Finds the values of the parameters that every profile has: the user's, else what their sections say.
    fn settle_standard(&mut self, total: Option<u32>) -> Result<(), ProfileError> {
        let (nodes, others) = (&STANDARD[0], &STANDARD[1..]);
        for (name, section, key) in others {
            self.settle(name, section, key)?;
        }
        match total {
            None => self.settle(nodes.0, nodes.1, nodes.2),
            Some(total) => self.settle_total(total),
        }
    }

    fn settle(&mut self, name: &str, section: &str, key: &str) -> Result<(), ProfileError> {
        let path = format!("{section}.{key}");
        if self.given.contains(name) {
            self.origins.set(&path, Origin::Flag(name.to_owned()), None);
            return Ok(());
        }
        let table = self.profile.table.get(section).and_then(Value::as_table);
        let Some(value) = table.and_then(|table| table.get(key)) else { return Ok(()) };
        let rendered = self.render(value, &path)?;
        let settled = match rendered {
            None => None,
            Some(value) => {
                let scalar = Scalar::deserialize(value.clone()).map_err(|_| ProfileError::Value {
                    place: self.place(&path),
                    key: path.clone(),
                    value: format!("`{value}`"),
                    expected: "a single value".to_owned(),
                })?;
                let param = self.param(name);
                let accepted = param.map(|param| accept(param, &scalar, &self.place(&path), &path));
                Some(accepted.transpose()?.map_or(scalar, |value| value.to_scalar()))
            }
        };
        self.variables.insert(name.to_owned(), settled);
        Ok(())
    }

    fn settle_total(&mut self, total: u32) -> Result<(), ProfileError> {
        let flag = Origin::Flag("n".to_owned());
        if total == 0 {
            let expected = "at least one engine".to_owned();
            let value = "`0`".to_owned();
            return Err(ProfileError::Value {
                place: flag.to_string(),
                key: "n".to_owned(),
                value,
                expected,
            });
        }
        let ppn = self.count("ppn");
        let needed = total.div_ceil(ppn.max(1));
        if self.given.contains("nodes") && self.count("nodes") != needed {
            return Err(ProfileError::Total { total, needed, ppn, nodes: self.count("nodes") });
        }
        let scalar = Scalar::Int(needed.into());
        if let Some(param) = self.param("nodes") {
            accept(param, &scalar, &flag.to_string(), "nodes")?;
        }
        self.variables.insert("nodes".to_owned(), Some(scalar));
        self.origins.set("engines.nodes", flag, None);
        Ok(())
    }

    fn finish(mut self, total: Option<u32>) -> Result<Resolved, ProfileError> {
        let (nodes, ppn) = (self.count("nodes"), self.count("ppn"));
        let total = total.unwrap_or_else(|| nodes.saturating_mul(ppn));
        let total = Value::Integer(total.into());
        let mut engines: EnginesSection =
            self.section("engines", Table::from_iter([("total".to_owned(), total)]))?;
        engines.program = engines.program.map(|program| self.absolute(program)).transpose()?;
        let controller: ControllerSection = self.section("controller", Table::new())?;
        self.check_heartbeat(&controller)?;
        let mut python: PythonSection = self.section("python", Table::new())?;
        let found = || python::find(&self.profile.surroundings).map(|path| path.display().to_string());
        python.executable = python.executable.or_else(found);
        let mut storage: StorageSection = self.section("storage", Table::new())?;
        let expand = |dir: String| self.profile.surroundings.expand(&dir).display().to_string();
        storage.dir = storage.dir.map(expand);
        let template = self.template()?;
        let mut scheduler = self.rendered("scheduler")?;
        let mut request = take_common(&mut scheduler);
        request.extend(template.map(|text| ("template".to_owned(), Value::String(text))));
        let request: RequestSection = section::parse(&request, "scheduler", &self.origins)?;
        self.check_job_name(&request.name)?;
        let mut transport = self.rendered("transport")?;
        let listen = self.listen(take_common(&mut transport), &transport)?;
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
            origins: std::mem::take(&mut self.origins),
        })
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
        Err(self.wrong(blamed, value, format!("{expected}, which is {}", duration::display(other))))
    }

    /// A section of rpar's own, rendered and strictly parsed, with `more` in it.
    fn section<T: DeserializeOwned>(&self, name: &str, more: Table) -> Result<T, ProfileError> {
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

    /// The whole job script, if the profile brings one, checked but not rendered: where the pilot is and where its
    /// log goes is known only when the cluster has a directory.
    fn template(&self) -> Result<Option<String>, ProfileError> {
        let table = self.profile.table.get("scheduler").and_then(Value::as_table);
        let text = |key: &str| {
            table.and_then(|table| table.get(key)).map(|value| {
                let key = format!("scheduler.{key}");
                value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(&key, value, "a text".to_owned()))
            })
        };
        // merging has left one of the two
        let (inline, file) = (text("template").transpose()?, text("template_file").transpose()?);
        let (key, template) = match (inline, file) {
            (Some(inline), _) => ("scheduler.template", inline),
            (None, Some(file)) => ("scheduler.template_file", self.read_template(&file)?),
            (None, None) => return Ok(None),
        };
        let mut variables = self.variables.clone();
        variables.extend(SCRIPT.map(|name| (name.to_owned(), Some(Scalar::Text(format!("<{name}>"))))));
        let rendered = render::text_template(&template, &variables);
        let place = self.place(key);
        let rendered =
            rendered.map_err(|reason| ProfileError::Template { place, key: key.to_owned(), reason })?;
        if !rendered.contains("<pilot>") {
            let expected = "a job script that runs `{{ pilot }}`".to_owned();
            return Err(self.wrong(key, "one that starts no engines", expected));
        }
        Ok(Some(template))
    }

    fn read_template(&self, file: &str) -> Result<String, ProfileError> {
        let origin = self.origins.of("scheduler.template_file");
        let directory = origin.and_then(Layer::directory);
        let surroundings = &self.profile.surroundings;
        let path = match directory {
            Some(directory) if !file.starts_with('~') => surroundings.directory.join(directory).join(file),
            _ => surroundings.expand(file),
        };
        fs::read_to_string(&path).map_err(|error| {
            let value = format!("`{file}`");
            let expected = format!("a file that can be read: {}: {error}", path.display());
            let key = "scheduler.template_file".to_owned();
            ProfileError::Value { place: self.place(&key), key, value, expected }
        })
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
        let expected = "1 to 6 letters and digits, beginning with a letter".to_owned();
        Err(self.wrong(key, name.to_owned(), expected))
    }

    fn absolute(&self, program: String) -> Result<String, ProfileError> {
        if program.starts_with('/') {
            return Ok(program);
        }
        Err(self.wrong("engines.program", program, "an absolute path".to_owned()))
    }

    fn render(&self, value: &Value, path: &str) -> Result<Option<Value>, ProfileError> {
        render::value(value, &self.variables).map_err(|reason| ProfileError::Template {
            place: self.place(path),
            key: path.to_owned(),
            reason,
        })
    }

    fn wrong(&self, key: &str, value: impl Shown, expected: String) -> ProfileError {
        let spelled = self.origins.spelled(key).to_owned();
        ProfileError::Value { place: self.place(key), key: spelled, value: value.shown(), expected }
    }

    fn place(&self, key: &str) -> String {
        self.origins.place(key)
    }

    fn param(&self, name: &str) -> Option<&'a Param> {
        self.profile.params.iter().find(|param| param.name == name)
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let scalar = self.variables.get(name).cloned().flatten()?;
        Value::try_from(scalar).ok()
    }

    fn count(&self, name: &str) -> u32 {
        match self.variables.get(name) {
            Some(Some(Scalar::Int(count))) => u32::try_from(*count).unwrap_or(0),
            _ => 0,
        }
    }

    /// The parameters that have a value.
    fn params(&self) -> BTreeMap<String, Scalar> {
        let params = self.profile.params.iter().filter_map(|param| {
            Some((param.name.clone(), self.variables.get(&param.name).cloned().flatten()?))
        });
        params.collect()
    }
}

fn take_common(table: &mut Table) -> Table {
    COMMON.iter().filter_map(|key| table.remove(*key).map(|value| ((*key).to_owned(), value))).collect()
}

fn accept(param: &Param, value: &Scalar, place: &str, key: &str) -> Result<ParamValue, ProfileError> {
    param.accept(value).map_err(|error| ProfileError::Value {
        place: place.to_owned(),
        key: key.to_owned(),
        value: format!("`{}`", error.value),
        expected: error.expected,
    })
}

/// How a wrong value is shown.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        format!("`{self}`")
    }
}

impl Shown for &str {
    fn shown(&self) -> String {
        (*self).to_owned()
    }
}

impl Shown for &Value {
    fn shown(&self) -> String {
        format!("`{self}`")
    }
}

impl Shown for std::time::Duration {
    fn shown(&self) -> String {
        format!("`{}`", duration::display(*self))
    }
}
