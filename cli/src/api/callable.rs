//! What can be mapped: functions of the program, functions of the engines by name, and commands.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rpar_core::task::{Failure, TaskStatus};
use rpar_runtime::client::{Defined, Outcome};
use rpar_runtime::native;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Functions;
use super::payload;

/// What a view can call with an argument of type `A`: a function that was added to [`Functions`], a [`Named`] one, or a
/// [`Command`](super::Command).
///
/// A function must be passed itself: `view.map(count, paths)`. A pointer or reference to it, or a closure that captures
/// something, would say nothing about which function the engines are to call, and does not compile:
///
/// ```compile_fail
/// # fn run(view: rpar::LoadBalancedView) {
/// let offset = 3;
/// view.map(move |number: u64| Ok::<u64, String>(number + offset), 0..10);
/// # }
/// # fn main() { _ = run as fn(_); }
/// ```
///
/// Nor do arguments of another type:
///
/// ```compile_fail
/// # fn square(number: u64) -> Result<u64, String> { Ok(number * number) }
/// # fn run(view: rpar::LoadBalancedView) {
/// view.map(square, ["seven"]);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with an argument of type `{A}` on an engine",
    note = "functions take an owned argument that serde can write and read, and return a `Result`"
)]
pub trait Callable<A> {
    /// What a task gives.
    type Output: Send + 'static;

    /// How arguments become tasks, and outcomes results.
    #[doc(hidden)]
    fn call<'a>(self, functions: &Functions) -> Call<'a, A, Self::Output>
    where
        Self: 'a,
        A: 'a;
}

/// What to submit for the argument of the task with this number, from 1.
type Encode<'a, A> = Box<dyn FnMut(u64, A) -> Result<(Arc<Defined>, Bytes), Failure> + Send + 'a>;

/// What a task gave, or why it did not.
pub(super) type Decode<T> = fn(&Outcome) -> Result<T, Failure>;

/// A callable that has been looked up.
pub struct Call<'a, A, T> {
    pub(super) encode: Encode<'a, A>,
    pub(super) decode: Decode<T>,
    pub(super) exit: fn(&Outcome) -> Option<i32>,
}

impl<A, T, E, F> Callable<A> for F
where
    F: Fn(A) -> Result<T, E> + 'static,
    A: Serialize + 'static,
    T: DeserializeOwned + Send + 'static,
{
    type Output = T;

    fn call<'a>(self, functions: &Functions) -> Call<'a, A, T>
    where
        Self: 'a,
        A: 'a,
    {
        const { assert!(size_of::<F>() == 0, "pass the function itself: no pointer, no closure that captures") }
        Call { encode: encode(functions.name::<F>().map(defined)), decode: decode::<T>, exit }
    }
}

/// A function that the engines' program knows by this name, for clients that are other programs.
///
/// Nothing checks name and types before an engine does: where client and engines are one program, pass the function itself.
pub struct Named<A, T> {
    name: String,
    types: PhantomData<fn(A) -> T>,
}

impl<A, T> Named<A, T> {
    /// The function of this name, which takes an `A` and gives a `T`.
    pub fn new(name: impl Into<String>) -> Self {
        Named { name: name.into(), types: PhantomData }
    }
}

impl<A, T> Callable<A> for &Named<A, T>
where
    A: Serialize + 'static,
    T: DeserializeOwned + Send + 'static,
{
    type Output = T;

    fn call<'a>(self, _: &Functions) -> Call<'a, A, T>
    where
        Self: 'a,
        A: 'a,
    {
        Call { encode: encode(Ok(defined(&self.name))), decode: decode::<T>, exit }
    }
}

impl<A, T> Clone for Named<A, T> {
    fn clone(&self) -> Self {
        Named::new(self.name.clone())
    }
}

impl<A, T> fmt::Debug for Named<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.name).finish()
    }
}

fn defined(name: &str) -> Arc<Defined> {
    Defined::new(native::function(name))
}

fn encode<'a, A: Serialize + 'static>(function: Result<Arc<Defined>, Failure>) -> Encode<'a, A> {
    let mut scratch = BytesMut::new();
    Box::new(move |_, argument| {
        let function = function.clone()?;
        let argument = payload::encode(&argument, &mut scratch);
        argument
            .map(|payload| (function, payload))
            .map_err(|why| Failure::new(format!("the argument is {why}")))
    })
}

fn decode<T: DeserializeOwned + 'static>(outcome: &Outcome) -> Result<T, Failure> {
    match outcome.status {
        TaskStatus::Ok => {
            payload::decode(&outcome.payload).map_err(|why| Failure::new(format!("the result is {why}")))
        }
        _ => Err(failure(outcome)),
    }
}

/// A function has no exit status, but its process may have died.
fn exit(outcome: &Outcome) -> Option<i32> {
    if outcome.status == TaskStatus::Ok { None } else { failure(outcome).exit }
}

/// Why a task did not end well.
pub(super) fn failure(outcome: &Outcome) -> Failure {
    Failure::decode(&outcome.payload).unwrap_or_else(|error| Failure::new(error.to_string()))
}
