//! Rust functions that are compiled into the engine's program.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rpar_core::task::{Failure, Function, FunctionKind, TaskStatus};

use crate::engine::{Executor, Feed, Task};
use crate::panics;
use crate::program::Program;

type NativeFunction = dyn Fn(&Bytes) -> Result<Bytes, Failure> + Send + Sync;

/// What a name stands for, or why for nothing.
type Found = Result<Arc<NativeFunction>, Failure>;

/// Parts a function's name from the path of its client's program, and that from its build.
const NUL: char = '\0';

/// The function of this name in the engines' program, as a client submits it. A name has no NUL.
///
/// Engines that run another build of this very program refuse it: the function may have changed since.
pub fn function(name: &str) -> Function {
    let Program { path, build } = Program::own();
    let body = format!("{name}{NUL}{path}{NUL}{build}");
    Function { kind: FunctionKind::Native, body: body.into() }
}

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

    fn find(&self, body: &[u8]) -> Found {
        let (body, own) = (String::from_utf8_lossy(body), Program::own());
        let mut parts = body.splitn(3, NUL);
        let name = parts.next().unwrap_or_default();
        let client = parts.next().zip(parts.next()).map(|(path, build)| Program { path, build });
        if let Some(client) = client.as_ref().filter(|client| own.is_rebuilt(client)) {
            return Err(Failure::new(format!(
                "the engines run another build of {}: theirs is {}, the client's {}; start the cluster anew",
                own.path, own.build, client.build,
            )));
        }
        self.functions.get(name).cloned().ok_or_else(|| self.unknown(name, client.as_ref()))
    }

    fn unknown(&self, name: &str, client: Option<&Program<'_>>) -> Failure {
        let (own, known): (_, Vec<&str>) =
            (Program::own(), self.functions.keys().map(String::as_str).collect());
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let client = client.map(|client| format!("; the client's program is {client}")).unwrap_or_default();
        Failure::new(format!(
            "the engines' program has no function `{name}`: it is {own} and knows {known}{client}; start the cluster from the client's program as it is now",
        ))
    }
}

impl fmt::Debug for NativeFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

/// Calls Rust functions on the engine's own thread.
pub(crate) struct NativeExecutor {
    functions: Arc<NativeFunctions>,
    /// What the last task asked for, and what that is.
    last: Option<(Arc<Function>, Found)>,
}

impl NativeExecutor {
    pub(crate) fn new(functions: Arc<NativeFunctions>) -> Self {
        panics::watch();
        NativeExecutor { functions, last: None }
    }

    fn find(&mut self, wanted: &Arc<Function>) -> &Found {
        let (functions, last) = (&self.functions, self.last.take());
        let known = last.filter(|(function, _)| Arc::ptr_eq(function, wanted));
        &self.last.insert(known.unwrap_or_else(|| (Arc::clone(wanted), functions.find(&wanted.body)))).1
    }

    fn call(&mut self, task: &Task) -> Result<Bytes, Failure> {
        match self.find(&task.function) {
            // what a panic has left half done is the function's own: it is shared with other engines in any case
            Ok(function) => catch_unwind(AssertUnwindSafe(|| function(&task.argument)))
                .unwrap_or_else(|panic| Err(panics::failure(panic.as_ref()))),
            Err(failure) => Err(failure.clone()),
        }
    }
}

impl Executor for NativeExecutor {
    fn run(&mut self, feed: &mut Feed) {
        while let Some(task) = feed.take(FunctionKind::Native) {
            let begun = Instant::now();
            let answer = self.call(&task);
            let ran = begun.elapsed();
            if let Some(limit) = task.timeout().filter(|limit| ran > *limit) {
                let why = format!(
                    "ran for {ran:?}, over its limit of {limit:?}: a Rust function is not interrupted"
                );
                feed.fail(task.id, TaskStatus::TimedOut, ran, &Failure::new(why));
            } else if feed.is_cancelled(task.id) {
                let why = "cancelled while it ran: a Rust function is not interrupted, so it ran to its end";
                feed.fail(task.id, TaskStatus::Cancelled, ran, &Failure::new(why));
            } else {
                match answer {
                    Ok(result) => feed.end(task.id, TaskStatus::Ok, ran, result),
                    Err(failure) => feed.fail(task.id, TaskStatus::Failed, ran, &failure),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Bench, PythonSettings};
    use rpar_core::id::TaskId;
    use rpar_core::wire::Runs;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    const GENEROUS: Duration = Duration::from_secs(30);

    fn body(body: &[u8]) -> Function {
        Function { kind: FunctionKind::Native, body: Bytes::copy_from_slice(body) }
    }

    fn bench(add: impl FnOnce(&mut NativeFunctions)) -> Bench {
        let mut functions = NativeFunctions::new();
        add(&mut functions);
        Bench::with(functions, PythonSettings::default())
    }

    fn failure(bench: &mut Bench, wanted: TaskStatus) -> Failure {
        let (status, payload) = bench.next(GENEROUS);
        assert_eq!(status, wanted);
        Failure::decode(&payload).unwrap()
    }

    #[test]
    fn results_come_in_order_short_and_long() {
        let mut bench = bench(|known| {
            known.add("repeat", |argument| Ok(argument.repeat(argument.len()).into()));
            known.add("refuse", |_| Err(Failure::new("no")));
        });
        let arguments: Vec<Bytes> =
            [0usize, 1, 700, 2].iter().map(|length| vec![b'x'; *length].into()).collect();
        bench.submit(&function("repeat"), None, &arguments);
        bench.submit(&function("refuse"), None, &[Bytes::new()]);
        for length in [0, 1, 490_000, 4] {
            let (status, payload) = bench.next(GENEROUS);
            assert_eq!((status, payload.len()), (TaskStatus::Ok, length));
        }
        assert_eq!(failure(&mut bench, TaskStatus::Failed).message, "no");
    }

    /// The outbox's limit is 16 MiB: the engine has called once more than fits, and waits with the result in its hands.
    const STALLED: usize = 17;

    fn megabytes(calls: &Arc<AtomicUsize>) -> Bench {
        let calls = Arc::clone(calls);
        bench(|known| {
            known.add("megabyte", move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
                Ok(vec![1; 1 << 20].into())
            });
        })
    }

    fn await_stall(calls: &AtomicUsize) {
        let begun = Instant::now();
        while calls.load(Ordering::Relaxed) < STALLED {
            assert!(begun.elapsed() < GENEROUS);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_engine_waits_for_a_slow_link_and_goes_on() {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut bench = megabytes(&calls);
        bench.submit(&function("megabyte"), None, &vec![Bytes::new(); 60]);
        await_stall(&calls);
        assert_eq!(calls.load(Ordering::Relaxed), STALLED);
        for _ in 0..60 {
            assert_eq!(bench.next(GENEROUS).1.len(), 1 << 20);
        }
    }

    #[test]
    fn an_engine_that_waits_for_the_link_heeds_a_reset() {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut bench = megabytes(&calls);
        bench.submit(&function("megabyte"), None, &vec![Bytes::new(); 60]);
        await_stall(&calls);
        bench.reset();
        bench.submit(&function("unknown"), None, &[Bytes::new()]);
        assert_eq!(bench.next(GENEROUS).0, TaskStatus::Failed);
        assert_eq!(calls.load(Ordering::Relaxed), STALLED);
    }

    #[test]
    fn a_panic_fails_its_task_alone() {
        let mut bench = bench(|known| {
            known.add("halve", |argument| {
                assert!(argument.len() % 2 == 0, "{} is odd", argument.len());
                Ok(argument.slice(..argument.len() / 2))
            })
        });
        bench.submit(&function("halve"), None, &[Bytes::from_static(b"abc"), Bytes::from_static(b"ab")]);
        let message = failure(&mut bench, TaskStatus::Failed).message;
        let place = message.strip_prefix("panicked at ").and_then(|rest| rest.strip_suffix(": 3 is odd"));
        assert!(place.is_some_and(|place| place.contains("native.rs:")), "{message}");
        assert_eq!(bench.next(GENEROUS), (TaskStatus::Ok, Bytes::from_static(b"a")));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let mut bench = bench(|known| known.add("count", |argument| Ok(argument.clone())));
        bench.submit(&function("cuont"), None, &[Bytes::new()]);
        let message = failure(&mut bench, TaskStatus::Failed).message;
        assert!(message.contains("no function `cuont`") && message.contains("knows count;"), "{message}");
        // here both are one
        assert_eq!(message.matches(&Program::own().to_string()).count(), 2, "{message}");
        bench.submit(&body(b"cuont"), None, &[Bytes::new()]);
        let message = failure(&mut bench, TaskStatus::Failed).message;
        assert!(!message.contains("client's program is"), "{message}");
    }

    #[test]
    fn another_build_of_the_same_program_is_refused_and_another_program_is_not() {
        let mut bench = bench(|known| known.add("count", |argument| Ok(argument.clone())));
        let Program { path, build } = Program::own();
        let of = |path: &str, build: &str| body(format!("count\0{path}\0{build}").as_bytes());
        bench.submit(&of(path, "of tomorrow"), None, &[Bytes::new()]);
        let message = failure(&mut bench, TaskStatus::Failed).message;
        assert!(message.contains(&format!("theirs is {build}, the client's of tomorrow;")), "{message}");
        for function in [of(path, build), of("/elsewhere", "of tomorrow"), body(b"count")] {
            bench.submit(&function, None, &[Bytes::from_static(b"a")]);
            assert_eq!(bench.next(GENEROUS), (TaskStatus::Ok, Bytes::from_static(b"a")));
        }
    }

    /// An engine with the function `wait`, which tells when it begins, and ends when it is told to.
    fn waiting() -> (Bench, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = std::sync::Mutex::new(may_go);
        let bench = bench(|known| {
            known.add("wait", move |argument| {
                begun.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
                Ok(argument.clone())
            })
        });
        (bench, has_begun, go)
    }

    #[test]
    fn what_cannot_be_interrupted_says_so_at_its_end() {
        let (mut bench, has_begun, go) = waiting();
        let wanted = bench.submit(&function("wait"), None, &[Bytes::new(), Bytes::new()]);
        has_begun.recv().unwrap();
        bench.cancel(&wanted);
        go.send(()).unwrap();
        assert!(failure(&mut bench, TaskStatus::Cancelled).message.contains("not interrupted"));
        assert_eq!(failure(&mut bench, TaskStatus::Cancelled).message, "cancelled before it ran");

        bench.submit(&function("wait"), Some(Duration::ZERO), &[Bytes::new()]);
        has_begun.recv().unwrap();
        go.send(()).unwrap();
        assert!(failure(&mut bench, TaskStatus::TimedOut).message.contains("not interrupted"));
    }

    #[test]
    fn what_has_not_begun_is_given_back_while_a_function_runs() {
        let (mut bench, has_begun, go) = waiting();
        // tasks 0 to 3, 4 to 6, 7 and 8
        let batches: Vec<Runs> =
            [4, 3, 2].map(|count| bench.submit(&function("wait"), None, &vec![Bytes::new(); count])).into();
        has_begun.recv().unwrap();
        bench.withdraw(&batches[0]);
        assert_eq!(bench.await_returned(3, GENEROUS), [1, 2, 3].map(TaskId));
        // 4 is before one that is to stay, which only the engine's thread steps over
        let wanted: Runs = [4, 6, 7, 8].map(TaskId).into_iter().collect();
        bench.withdraw(&wanted);
        assert_eq!(bench.await_returned(3, GENEROUS), [6, 7, 8].map(TaskId));
        // it comes again, and is not meant
        bench.repeat(&function("wait"), TaskId(8));
        for task in [0, 5, 8] {
            go.send(()).unwrap();
            assert_eq!(bench.next_with_id(GENEROUS).0, TaskId(task));
        }
        assert_eq!(bench.await_returned(1, GENEROUS), [TaskId(4)]);
        // a cancel in between does not end it a second time
        let runs = bench.submit(&function("wait"), None, &vec![Bytes::new(); 2]);
        has_begun.iter().nth(2).unwrap();
        bench.withdraw(&runs);
        bench.cancel_queued(&runs);
        assert_eq!(bench.await_returned(1, GENEROUS), [TaskId(10)]);
        go.send(()).unwrap();
        assert_eq!(bench.next_with_id(GENEROUS).0, TaskId(9));
        bench.submit(&function("wait"), None, &[Bytes::new()]);
        go.send(()).unwrap();
        assert_eq!(bench.next_with_id(GENEROUS).0, TaskId(11));
    }

    #[test]
    fn what_was_reset_is_not_told() {
        let (mut bench, has_begun, go) = waiting();
        bench.submit(&function("wait"), None, &[Bytes::from_static(b"old"), Bytes::from_static(b"old")]);
        has_begun.recv().unwrap();
        bench.reset();
        bench.submit(&function("wait"), None, &[Bytes::from_static(b"new")]);
        go.send(()).unwrap();
        has_begun.recv().unwrap();
        go.send(()).unwrap();
        assert_eq!(bench.next(GENEROUS), (TaskStatus::Ok, Bytes::from_static(b"new")));
    }
}
