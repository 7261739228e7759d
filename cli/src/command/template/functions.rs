//! A template as functions of the cluster.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use rpar_core::task::CommandSpec;
use rpar_runtime::client::Defined;

use super::Template;
use super::plan::Plan;
use crate::command::input::Record;
use crate::command::task;

/// One function for each number of arguments that tasks have; the input bounds that number.
#[derive(Debug)]
pub(crate) struct Functions {
    template: Template,
    /// What every function has, but for the script.
    spec: CommandSpec,
    known: BTreeMap<usize, (Plan, Arc<Defined>)>,
}

impl Functions {
    /// The script of `spec` is left aside.
    pub(crate) fn new(template: Template, spec: CommandSpec) -> Self {
        Functions { template, spec, known: BTreeMap::new() }
    }

    /// What to submit for one task.
    pub(crate) fn of(&mut self, record: &Record) -> (&Arc<Defined>, Bytes) {
        let columns = record.arguments.len();
        let (plan, function) = match self.known.entry(columns) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(absent) => {
                let plan = self.template.plan(columns);
                let function =
                    task::defined(&CommandSpec { script: plan.script.clone(), ..self.spec.clone() });
                absent.insert((plan, function))
            }
        };
        (function, plan.payload(record))
    }
}
