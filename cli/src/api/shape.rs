//! What the results of some tasks are gathered into.

use std::collections::BTreeMap;

use rpar_core::id::EngineId;

use super::TaskError;

/// What an [`AsyncResult`](super::AsyncResult) gives: [`One`] result, those of [`Many`] arguments, or one of [`Each`]
/// engine.
pub trait Shape: sealed::Sealed {
    /// One result `T`, or several.
    type Output<T>;

    /// Puts the results of so many tasks together.
    #[doc(hidden)]
    fn gather<T>(
        &self,
        tasks: usize,
        result: impl FnMut(usize) -> Result<T, TaskError>,
    ) -> Result<Self::Output<T>, TaskError>;
}

/// The result of one task, from `apply` on a load-balanced view: `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct One(());

/// The results of `map`: `Vec<T>`, in the order of the arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Many(());

/// One result of each engine, from `apply` on a direct view: `BTreeMap<EngineId, T>`.
#[derive(Clone, Debug)]
pub struct Each(pub(super) Vec<EngineId>);

impl Shape for One {
    type Output<T> = T;

    fn gather<T>(
        &self,
        _: usize,
        mut result: impl FnMut(usize) -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        result(0)
    }
}

impl Shape for Many {
    type Output<T> = Vec<T>;

    fn gather<T>(
        &self,
        tasks: usize,
        result: impl FnMut(usize) -> Result<T, TaskError>,
    ) -> Result<Vec<T>, TaskError> {
        (0..tasks).map(result).collect()
    }
}

impl Shape for Each {
    type Output<T> = BTreeMap<EngineId, T>;

    fn gather<T>(
        &self,
        _: usize,
        mut result: impl FnMut(usize) -> Result<T, TaskError>,
    ) -> Result<BTreeMap<EngineId, T>, TaskError> {
        self.0.iter().enumerate().map(|(index, engine)| Ok((*engine, result(index)?))).collect()
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::One {}
    impl Sealed for super::Many {}
    impl Sealed for super::Each {}
}
