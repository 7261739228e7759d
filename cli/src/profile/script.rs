//! From a resolved profile to what the scheduler is asked for.

use std::path::Path;

use rpar_backends::shell;
use rpar_core::id::ClusterTag;
use rpar_core::profile::{Scalar, Shape};
use rpar_core::scheduler::AllocationRequest;

use super::error::ProfileError;
use super::merge::Profile;
use super::render::{self, Variables};
use super::resolved::Resolved;
use super::surroundings::Surroundings;

/// Where a profile's own job script may send what the site says of the job; `rpar logs` shows it with the others.
const SITE_LOG: &str = "logs/allocation-site.log";

/// What a job script needs to know of its cluster.
#[derive(Clone, Debug)]
pub struct ScriptPlace<'a> {
    /// Marks the cluster's allocations; the job's name.
    pub tag: &'a ClusterTag,
    /// The pilot's program and arguments, absolute.
    pub pilot: &'a [String],
    /// Where scripts and output go; the nodes see it too.
    pub directory: &'a Path,
}

impl Resolved {
    /// The request for so many of the cluster's nodes, with the profile's own job script if it has one. An array's script
    /// is for one node.
    ///
    /// # Errors
    /// When that script cannot be rendered; [`Profile::resolve`] has found out before, except for what depends on
    /// `place`.
    pub fn allocation(&self, nodes: u32, place: &ScriptPlace<'_>) -> Result<AllocationRequest, ProfileError> {
        let array = self.request.shape == Shape::Array;
        let here = if array { 1 } else { nodes };
        let script = self.request.template.as_deref().map(|template| self.script(template, here, place));
        Ok(AllocationRequest {
            tag: place.tag.clone(),
            nodes,
            array,
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

    fn script(&self, template: &str, nodes: u32, place: &ScriptPlace<'_>) -> Result<String, ProfileError> {
        let mut variables: Variables = Profile::facts(&Surroundings::current(), &self.profile);
        for name in ["walltime", "queue", "account"] {
            variables.insert(name.to_owned(), None);
        }
        variables.extend(self.params.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
        variables.insert("nodes".to_owned(), Some(Scalar::Int(nodes.into())));
        let words = [
            ("name", place.tag.to_string()),
            ("pilot", shell::join(place.pilot)),
            ("directory", shell::quote(&place.directory.to_string_lossy())),
            ("log", shell::quote(&place.directory.join(SITE_LOG).to_string_lossy())),
        ];
        variables.extend(words.map(|(name, word)| (name.to_owned(), Some(Scalar::Text(word)))));
        let key = "scheduler.template".to_owned();
        render::text_template(template, &variables).map_err(|reason| ProfileError::Template {
            place: self.origins.place(&key),
            key,
            reason,
        })
    }
}
