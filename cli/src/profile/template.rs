//! A profile's own job script.

use std::fs;

use rpar_core::profile::Scalar;
use toml::Value;

use super::error::ProfileError;
use super::render;
use super::resolve::Resolving;

/// The variables that only a whole job script has.
const SCRIPT: [&str; 4] = ["name", "pilot", "directory", "log"];

impl Resolving<'_> {
    /// The whole job script, if the profile brings one, checked but not rendered: where the pilot is and where its
    /// log goes is known only when the cluster has a directory.
    pub(super) fn template(&self) -> Result<Option<String>, ProfileError> {
        let table = self.profile.table.get("scheduler").and_then(Value::as_table);
        let text = |key: &str| {
            table.and_then(|table| table.get(key)).map(|value| {
                let key = format!("scheduler.{key}");
                value
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| self.wrong(&key, format!("`{value}`"), "a text"))
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
            let value = "one that starts no engines".to_owned();
            return Err(self.wrong(key, value, "a job script that runs `{{ pilot }}`"));
        }
        Ok(Some(template))
    }

    fn read_template(&self, file: &str) -> Result<String, ProfileError> {
        let path = self.beside("scheduler.template_file", file);
        fs::read_to_string(&path).map_err(|error| {
            let expected = format!("a file that can be read: {}: {error}", path.display());
            self.wrong("scheduler.template_file", format!("`{file}`"), expected)
        })
    }
}
