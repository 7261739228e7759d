//! The Rust functions of a program that is client and engine at once.

use std::any::{TypeId, type_name};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::{ExitCode, Termination};
use std::sync::Arc;

use bytes::BytesMut;
use rpar_core::task::Failure;
use rpar_runtime::native::NativeFunctions;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::{Client, payload};
use crate::command;
use crate::raw;
use crate::registry::Registry;

/// The first word that makes a program with functions all of rpar: `PROGRAM rpar start --nodes 2`.
const COMMAND: &str = "rpar";

/// The processes that a cluster is made of, as rpar starts them: `PROGRAM engine --directory DIR ...`.
const PROCESSES: [&str; 3] = ["controller", "pilot", "engine"];
const DIRECTORY: &str = "--directory";

/// The functions of a program, by name, and the program's `main`.
///
/// The program is client and engine at once. Started by its user it runs what [`main`](Self::main) is given; the
/// clusters that this starts, and those of `PROGRAM rpar start`, run the same program as controller, pilot and engine
/// hosts, and so know its functions.
///
/// A task names its function by the function itself, `view.map(count, paths)`, so that arguments and results are checked
/// when the program is compiled, and no name can be misspelt. The name given to [`add`](Self::add) is for messages, and for
/// clients that are other programs ([`Named`](super::Named)).
///
/// ```no_run
/// fn square(number: u64) -> Result<u64, String> {
///     number.checked_mul(number).ok_or(format!("the square of {number} is too large"))
/// }
///
/// fn run(cluster: rpar::Cluster) -> Result<(), Box<dyn std::error::Error>> {
///     let client = cluster.client()?;
///     let squares: Vec<u64> = client.load_balanced_view().map(square, 0..100).get()?;
///     println!("{}", squares.iter().sum::<u64>());
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     rpar::Functions::new().add("square", square).main(run)
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Functions {
    native: NativeFunctions,
    names: BTreeMap<TypeId, String>,
    registry: Option<Registry>,
    /// The first name that cannot be one.
    refused: Option<String>,
}

impl Functions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a function known. Engines call it on their own threads, several at once; what it returns is the task's
    /// result, and an error or a panic fails the task. A function that never fails says so with
    /// [`Infallible`](std::convert::Infallible).
    ///
    /// Argument and result travel as CBOR, [`Bytes`](bytes::Bytes) as they are. Several arguments are a tuple.
    ///
    /// Names are for messages; each may be given once, which [`main`](Self::main) checks.
    #[must_use]
    pub fn add<A, T, E, F>(mut self, name: &str, function: F) -> Self
    where
        F: Fn(A) -> Result<T, E> + Send + Sync + 'static,
        A: DeserializeOwned + 'static,
        T: Serialize + 'static,
        E: Display,
    {
        let unusable = name.is_empty() || name.contains('\0');
        if unusable || self.names.values().any(|known| known == name) {
            self.refused.get_or_insert_with(|| name.to_owned());
        }
        self.names.insert(TypeId::of::<F>(), name.to_owned());
        let own = name.to_owned();
        self.native.add(name, move |argument| {
            let argument = payload::decode(argument)
                .map_err(|why| Failure::new(format!("the argument of `{own}` is {why}")))?;
            let result = function(argument).map_err(|error| told(&format!("{error:#}")))?;
            payload::encode(&result, &mut BytesMut::new())
                .map_err(|why| Failure::new(format!("the result of `{own}` is {why}")))
        });
        self
    }

    /// Uses these backends in place of those that come with rpar.
    #[must_use]
    pub fn backends(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The whole of the program's `main`: runs `run`, unless this process was started as part of a cluster, or as
    /// `PROGRAM rpar ...`, which is all of the `rpar` command with the program's functions and backends.
    ///
    /// Other arguments are the program's own: no word but these is taken from it. Call it first thing in `main`; what comes
    /// before runs in every process of a cluster. An error of `run` is printed, and the exit status is 1.
    pub fn main<T: Termination, E: Display>(self, run: impl FnOnce(Cluster) -> Result<T, E>) -> ExitCode {
        if let Some(name) = &self.refused {
            return complain(&format!("`{name}` cannot be the name of a function, or of two"), 2);
        }
        let words: Vec<OsString> = std::env::args_os().collect();
        let (first, second) = (words.get(1), words.get(2));
        let word = |word: Option<&OsString>, wanted: &str| word.is_some_and(|word| word == wanted);
        let registry = || self.registry.clone().unwrap_or_else(Registry::builtin);
        if word(first, COMMAND) {
            return command::run_words(registry(), self.native, words[1..].to_vec());
        }
        if PROCESSES.iter().any(|process| word(first, process)) && word(second, DIRECTORY) {
            return command::run_words(registry(), self.native, words);
        }
        match run(Cluster::new(registry(), Arc::new(self))) {
            Ok(ended) => ended.report(),
            Err(error) => complain(&format!("{error:#}"), 1),
        }
    }

    /// The functions as engine hosts take them, for programs that run engine hosts in their own way.
    pub fn native(&self) -> &NativeFunctions {
        &self.native
    }

    /// A client over a link that is there already, and that knows these functions.
    pub fn client(self, link: raw::Client) -> Client {
        Client::new(link, Arc::new(self), None)
    }

    /// The name of a function that was added.
    pub(super) fn name<F: 'static>(&self) -> Result<&str, Failure> {
        self.names.get(&TypeId::of::<F>()).map(String::as_str).ok_or_else(|| {
            let function = type_name::<F>();
            let mut known: Vec<&str> = self.names.values().map(String::as_str).collect();
            known.sort_unstable();
            let known = known.join(", ");
            Failure::new(if self.names.is_empty() {
                format!(
                    "this client knows no functions, so not {function}: link it by `Functions::main`, or call the engines' by name with `Named`"
                )
            } else {
                format!("{function} was not added to this program's `Functions`; they are: {known}")
            })
        })
    }
}

/// A function's own error: its first line, and all of it if there are more.
fn told(error: &str) -> Failure {
    let (first, more) = error.split_once('\n').map_or((error, ""), |(first, _)| (first, error));
    Failure { detail: more.to_owned(), ..Failure::new(first) }
}

fn complain(error: &str, status: u8) -> ExitCode {
    // a closed stderr leaves the exit status
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(status)
}
