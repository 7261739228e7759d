//! Direct views: the program says which engines.

use std::collections::BTreeSet;
use std::ops::RangeFull;
use std::sync::Arc;

use rpar_core::id::EngineId;
use rpar_core::task::TaskOptions;

use super::shape::{Each, Many};
use super::view::View;
use super::{AsyncResult, Callable, TargetError};

/// Tasks go to the engines that the program says.
pub type DirectView = View<Direct>;

/// The kind of a direct view.
#[derive(Clone, Debug)]
pub struct Direct {
    /// Never empty.
    engines: Vec<EngineId>,
}

/// Engines of a direct view: `..` is all that are there, an id or a list of ids those.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// All that are there when the view is made.
    All,
    /// These.
    Engines(BTreeSet<EngineId>),
}

impl Targets {
    /// The engines, if all of them are there and there is one.
    pub(super) fn among(self, there: &[EngineId]) -> Result<Vec<EngineId>, TargetError> {
        let engines: Vec<EngineId> = match self {
            Targets::All => there.to_vec(),
            Targets::Engines(engines) => engines.into_iter().collect(),
        };
        match engines.iter().find(|engine| !there.contains(engine)) {
            Some(engine) => Err(TargetError::Absent { engine: *engine, there: there.to_vec() }),
            None if engines.is_empty() => Err(TargetError::None),
            None => Ok(engines),
        }
    }
}

impl From<RangeFull> for Targets {
    fn from(_: RangeFull) -> Self {
        Targets::All
    }
}

impl From<EngineId> for Targets {
    fn from(engine: EngineId) -> Self {
        Targets::Engines([engine].into())
    }
}

impl<const N: usize> From<[EngineId; N]> for Targets {
    fn from(engines: [EngineId; N]) -> Self {
        Targets::Engines(engines.into())
    }
}

impl From<&[EngineId]> for Targets {
    fn from(engines: &[EngineId]) -> Self {
        Targets::Engines(engines.iter().copied().collect())
    }
}

impl From<Vec<EngineId>> for Targets {
    fn from(engines: Vec<EngineId>) -> Self {
        Targets::Engines(engines.into_iter().collect())
    }
}

impl Direct {
    pub(super) fn new(engines: Vec<EngineId>) -> Self {
        Direct { engines }
    }
}

impl DirectView {
    /// The engines, ascending.
    pub fn targets(&self) -> &[EngineId] {
        &self.kind.engines
    }

    /// Calls a function with the same argument once on each engine. Does not block.
    pub fn apply<A, F: Callable<A>>(&self, function: F, argument: A) -> AsyncResult<F::Output, Each> {
        let mut call = function.call(self.client.functions());
        let tasks = self.tasks(&call);
        let encoded = (call.encode)(1, argument);
        for engine in &self.kind.engines {
            self.submit(&tasks.group, &self.options_on(*engine), encoded.clone());
        }
        AsyncResult::new(tasks, Each(self.kind.engines.clone()))
    }

    /// Calls a function with each argument: the first engine gets the first of as many parts of equal length as there are
    /// engines, the second the next, and so on. Blocks only while more than 64 MiB of arguments have not left this program.
    pub fn map<A, F: Callable<A>>(
        &self,
        function: F,
        arguments: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
    ) -> AsyncResult<F::Output, Many> {
        let mut call = function.call(self.client.functions());
        let tasks = self.tasks(&call);
        let (arguments, engines) = (arguments.into_iter(), &self.kind.engines);
        let part = arguments.len().div_ceil(engines.len()).max(1);
        let mut options = Arc::clone(&self.options);
        for (index, argument) in arguments.enumerate() {
            if index % part == 0 {
                // an iterator that gives more than it said has the last engine do them
                let engine = engines.get(index / part).or(engines.last());
                engine.iter().for_each(|engine| options = self.options_on(**engine));
            }
            self.submit(&tasks.group, &options, (call.encode)(index as u64 + 1, argument));
            self.client.link().wait_ready(None);
        }
        AsyncResult::new(tasks, Many::default())
    }

    fn options_on(&self, engine: EngineId) -> Arc<TaskOptions> {
        Arc::new(TaskOptions { targets: Some(vec![engine]), ..(*self.options).clone() })
    }
}
