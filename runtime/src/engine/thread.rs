//! An engine's thread: runs its tasks one after the other, each by the executor of its kind.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rpar_core::task::FunctionKind;

use super::executor::{EngineContext, Executor};
use super::feed::Feed;
use super::lane::Lane;
use crate::command::CommandExecutor;
use crate::native::{NativeExecutor, NativeFunctions};
use crate::python::PythonExecutor;

/// Starts the thread of the engine in `context.slot`.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    lane: Arc<Lane>,
    context: Arc<EngineContext>,
    functions: Arc<NativeFunctions>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("engine {}", context.slot)).spawn(move || {
        let _last_word = LastWord(Arc::clone(&lane));
        let mut executors = Executors { context, functions, command: None, native: None, python: None };
        let mut feed = Feed::new(lane);
        while let Some(kind) = feed.wait() {
            executors.of(kind).run(&mut feed);
        }
    })
}

/// Tells the IO task that the thread has ended, however it did.
struct LastWord(Arc<Lane>);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.die();
    }
}

/// Each is made at the first task of its kind.
struct Executors {
    context: Arc<EngineContext>,
    functions: Arc<NativeFunctions>,
    command: Option<CommandExecutor>,
    native: Option<NativeExecutor>,
    python: Option<PythonExecutor>,
}

impl Executors {
    fn of(&mut self, kind: FunctionKind) -> &mut dyn Executor {
        let context = &self.context;
        match kind {
            FunctionKind::Command => {
                self.command.get_or_insert_with(|| CommandExecutor::new(Arc::clone(context)))
            }
            FunctionKind::Native => {
                self.native.get_or_insert_with(|| NativeExecutor::new(Arc::clone(&self.functions)))
            }
            FunctionKind::Python => {
                self.python.get_or_insert_with(|| PythonExecutor::new(Arc::clone(context)))
            }
        }
    }
}
