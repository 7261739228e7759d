//! What every launcher must do. Run all of it with [`suite`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::error::Retry;
use rpar_core::launcher::{Apart, GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What the suite runs on.
pub struct Setup {
    /// Makes the launcher: each one that it makes stands for a process of its own.
    pub launcher: Box<dyn Fn() -> Arc<dyn Launcher>>,
    /// The nodes, two at least.
    pub nodes: Vec<Node>,
    /// An empty directory that the nodes see too, absolute.
    pub directory: PathBuf,
    /// How long a process may take to start or to end.
    pub patience: Duration,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

/// Runs every case.
///
/// # Panics
/// When the launcher breaks its contract; the message names the case.
pub async fn suite(setup: Setup) {
    assert!(setup.nodes.len() > 1, "the suite needs two nodes");
    setup.starts_one_on_each().await;
    setup.signals().await;
    setup.tells_how_they_end().await;
    setup.another_process_takes_over().await;
    setup.tells_of_a_missing_program().await;
    setup.hands_over_what_nodes_apart_need_or_refuses().await;
}

impl Setup {
    fn group(&self, case: &str, script: &str) -> (ProcessGroup, PathBuf) {
        let directory = self.directory.join(case);
        fs::create_dir_all(&directory).expect("the directory can be made");
        // what a process writes stands under its node's name, only once it is whole
        let script = format!(
            "cd '{}' || exit 9\nsay() {{ cat > \"$RPAR_NODE.$1.new\"; mv \"$RPAR_NODE.$1.new\" \"$RPAR_NODE.$1\"; }}\n{script}",
            directory.display()
        );
        let argv = ["/bin/sh", "-c", &script, "process", "a  b", "it's $HOME \\ \"x\" `id`; *"];
        let group = ProcessGroup {
            argv: argv.map(str::to_owned).to_vec(),
            setup: vec!["export SET_UP='by a line'".into()],
            environment: BTreeMap::from([("GIVEN".into(), "a 'value' $X".into())]),
            logs: directory.clone(),
            apart: None,
        };
        (group, directory)
    }

    async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + self.patience;
        while !done().await {
            assert!(Instant::now() < deadline, "{what}: not within {:?}", self.patience);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the process of each node has said.
    async fn said(&self, directory: &Path, word: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for node in &self.nodes {
            let path = directory.join(format!("{}.{word}", node.name));
            self.until(&format!("{} appears", path.display()), async || path.exists()).await;
            texts.push(fs::read_to_string(path).expect("it can be read"));
        }
        texts
    }

    async fn hands_over_what_nodes_apart_need_or_refuses(&self) {
        let launcher = (self.launcher)();
        let (group, directory) = self.group("apart", "cat | say all");
        let input = "two lines,\nwith 'quotes', $HOME and `id`".to_owned();
        let group = ProcessGroup { apart: Some(Apart { bring: false, input: input.clone() }), ..group };
        match launcher.start(&group, &self.nodes).await {
            Ok(handle) => {
                for text in self.said(&directory, "all").await {
                    assert_eq!(text, input, "each process reads its input to the end, and nothing else");
                }
                self.ended(&*launcher, &handle).await;
            }
            Err(error) => {
                assert_eq!(error.retry, Retry::Never, "what is not possible stays so: {error}");
                assert!(!error.to_string().contains("two lines"), "the input is nobody's business: {error}");
            }
        }
    }

    async fn ended(&self, launcher: &dyn Launcher, handle: &GroupHandle) -> Vec<ProcessState> {
        let over = async || {
            let states = launcher.poll(handle).await.expect("poll");
            assert_eq!(states.len(), self.nodes.len(), "a state for each process");
            states.iter().all(|state| *state != ProcessState::Running)
        };
        self.until("the processes end", over).await;
        launcher.poll(handle).await.expect("poll")
    }

    async fn starts_one_on_each(&self) {
        let launcher = (self.launcher)();
        let (group, directory) = self.group(
            "start",
            "echo to-stdout; echo to-stderr >&2\n\
             printf '%s\\n' \"$RPAR_NODE\" \"$SET_UP\" \"$GIVEN\" \"$@\" | say all\nexec sleep 600",
        );
        let handle = launcher.start(&group, &self.nodes).await.expect("start");
        assert_eq!(
            handle.processes.iter().map(|p| &p.node).collect::<Vec<_>>(),
            self.nodes.iter().map(|n| &n.name).collect::<Vec<_>>(),
            "a process for each node, in order"
        );
        for (text, node) in self.said(&directory, "all").await.iter().zip(&self.nodes) {
            let expected =
                format!("{}\nby a line\na 'value' $X\n{}\n{}\n", node.name, group.argv[4], group.argv[5]);
            assert_eq!(*text, expected, "node, setup line, environment and arguments arrive as they are");
        }
        let states = launcher.poll(&handle).await.expect("poll");
        assert!(states.iter().all(|state| *state == ProcessState::Running), "all run: {states:?}");
        for node in &self.nodes {
            let log = directory.join(format!("{}.log", node.name));
            let whole = async || {
                let text = fs::read_to_string(&log).unwrap_or_default();
                text.contains("to-stdout") && text.contains("to-stderr")
            };
            self.until("the output is in NODE.log", whole).await;
        }
        launcher.signal(&handle, Signal::Kill).await.expect("kill");
        self.ended(&*launcher, &handle).await;
        launcher.signal(&handle, Signal::Kill).await.expect("to signal what has ended is fine");
    }

    async fn signals(&self) {
        let launcher = (self.launcher)();
        let (group, directory) = self.group(
            "signals",
            "trap 'echo int | say int' INT\ntrap 'echo term | say term; exit 7' TERM\necho ready | say ready\n\
             while :; do sleep 0.05; done",
        );
        let handle = launcher.start(&group, &self.nodes).await.expect("start");
        self.said(&directory, "ready").await;
        launcher.signal(&handle, Signal::Interrupt).await.expect("interrupt");
        self.said(&directory, "int").await;
        let states = launcher.poll(&handle).await.expect("poll");
        assert!(states.iter().all(|state| *state == ProcessState::Running), "they live on: {states:?}");
        launcher.signal(&handle, Signal::Terminate).await.expect("terminate");
        self.said(&directory, "term").await;
        for state in self.ended(&*launcher, &handle).await {
            let ProcessState::Ended { exit, signal, .. } = state else { panic!("they have ended") };
            assert_eq!((exit, signal), (Some(7), None), "the process chose its exit status");
        }
    }

    async fn tells_how_they_end(&self) {
        let launcher = (self.launcher)();
        let last = &self.nodes[self.nodes.len() - 1].name;
        let (group, _) = self.group(
            "ends",
            &format!("[ \"$RPAR_NODE\" = '{last}' ] || {{ echo last words >&2; exit 3; }}\nkill -KILL $$"),
        );
        let handle = launcher.start(&group, &self.nodes).await.expect("start");
        for (state, node) in self.ended(&*launcher, &handle).await.into_iter().zip(&self.nodes) {
            let ProcessState::Ended { exit, signal, detail } = state else { panic!("they have ended") };
            if node.name == *last {
                assert_eq!((exit, signal), (None, Some(9)), "{}: {detail:?}", node.name);
            } else {
                assert_eq!((exit, signal), (Some(3), None), "{}: {detail:?}", node.name);
                assert!(detail.is_some_and(|text| text.contains("last words")), "the end of its log is told");
            }
        }
    }

    async fn another_process_takes_over(&self) {
        let (group, directory) = self.group("later", "echo ready | say ready\nexec sleep 600");
        let first = (self.launcher)();
        let handle = first.start(&group, &self.nodes).await.expect("start");
        self.said(&directory, "ready").await;
        let later = (self.launcher)();
        let states = later.poll(&handle).await.expect("poll");
        assert!(
            states.iter().all(|state| *state == ProcessState::Running),
            "a handle is plain data: {states:?}"
        );
        later.signal(&handle, Signal::Kill).await.expect("kill");
        self.ended(&*first, &handle).await;
        self.ended(&*later, &handle).await;
    }

    async fn tells_of_a_missing_program(&self) {
        let launcher = (self.launcher)();
        let (mut group, _) = self.group("missing", "");
        group.argv = vec!["/no/such/program".into()];
        group.setup.clear();
        let reason = match launcher.start(&group, &self.nodes).await {
            Err(error) => error.reason,
            Ok(handle) => match self.ended(&*launcher, &handle).await.remove(0) {
                ProcessState::Ended { exit, detail, .. } => {
                    assert_ne!(exit, Some(0));
                    detail.unwrap_or_default()
                }
                ProcessState::Running => panic!("nothing runs"),
            },
        };
        assert!(reason.contains("/no/such/program"), "the program is named: {reason}");
    }
}
