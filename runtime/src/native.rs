//! Rust functions that are compiled into the engine's program.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rpar_core::task::Failure;

type NativeFunction = dyn Fn(&Bytes) -> Result<Bytes, Failure> + Send + Sync;

/// The Rust functions that an engine host can run, by name.
#[derive(Clone, Default)]
pub struct NativeFunctions {
    functions: BTreeMap<String, Arc<NativeFunction>>,
}

impl NativeFunctions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a function known; one of the same name is replaced. It is called on engines' threads, by several at once.
    pub fn add(
        &mut self,
        name: &str,
        function: impl Fn(&Bytes) -> Result<Bytes, Failure> + Send + Sync + 'static,
    ) {
        self.functions.insert(name.to_owned(), Arc::new(function));
    }
}

impl fmt::Debug for NativeFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}
