//! From a resolved profile to what the scheduler is asked for.

use std::path::Path;

use rpar_core::id::ClusterTag;
use rpar_core::profile::Scalar;
use rpar_core::scheduler::AllocationRequest;

use super::error::ProfileError;
use super::merge::Profile;
use super::render::{self, Variables};
use super::resolved::Resolved;
use super::surroundings::Surroundings;

/// What a job script needs to know of its cluster.
#[derive(Clone, Debug)]
pub struct ScriptPlace<'a> {
    /// Marks the cluster's allocations; the job's name.
    pub tag: &'a ClusterTag,
    /// The pilot's program and arguments, absolute.
    pub pilot: &'a [String],
    /// Where scripts and output go; the nodes see it too.
    pub directory: &'a Path,
    /// The file that the job's output goes to.
    pub log: &'a Path,
}

impl Resolved {
    /// The request for the cluster's nodes, with the profile's own job script if it has one.
    ///
    /// # Errors
    /// When that script cannot be rendered; [`Profile::resolve`] has found out before, except for what depends on
    /// `place`.
    pub fn allocation(&self, place: &ScriptPlace<'_>) -> Result<AllocationRequest, ProfileError> {
        let script = self.request.template.as_deref().map(|template| self.script(template, place));
        Ok(AllocationRequest {
            tag: place.tag.clone(),
            nodes: self.engines.nodes,
            ppn: self.engines.ppn,
            walltime: self.request.walltime,
            queue: self.request.queue.clone(),
            account: self.request.account.clone(),
            pilot: place.pilot.to_vec(),
            setup: self.request.setup.clone(),
            directory: place.directory.to_owned(),
            script: script.transpose()?,
        })
    }

    fn script(&self, template: &str, place: &ScriptPlace<'_>) -> Result<String, ProfileError> {
        let mut variables: Variables = Profile::facts(&Surroundings::current(), &self.profile);
        for name in ["walltime", "queue", "account"] {
            variables.insert(name.to_owned(), None);
        }
        variables.extend(self.params.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
        let pilot: Vec<String> = place.pilot.iter().map(|word| quoted(word)).collect();
        let words = [
            ("name", place.tag.to_string()),
            ("pilot", pilot.join(" ")),
            ("log", place.log.display().to_string()),
        ];
        variables.extend(words.map(|(name, word)| (name.to_owned(), Some(Scalar::Text(word)))));
        let key = "scheduler.template".to_owned();
        let from = self.origins.of(&key);
        render::text_template(template, &variables).map_err(|reason| ProfileError::Template {
            place: from.map_or_else(|| format!("profile {}", self.profile), ToString::to_string),
            key,
            reason,
        })
    }
}

/// A word as a POSIX shell takes it back: in single quotes unless it needs none.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("/home/ann/bin/rpar"), "/home/ann/bin/rpar");
        assert_eq!(quoted("/home/ann b/it's"), r"'/home/ann b/it'\''s'");
        assert_eq!(quoted("$(id)"), "'$(id)'");
        assert_eq!(quoted(""), "''");
    }
}
