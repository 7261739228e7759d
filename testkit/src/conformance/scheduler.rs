//! What every scheduler must do. Run all of it with [`suite`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::error::Action;
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationRequest, AllocationState, Scheduler};

/// How often a condition is looked at: often enough to add little, seldom enough for a real site.
const LOOK: Duration = Duration::from_millis(100);

/// What the suite runs on.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The scheduler.
    pub scheduler: Arc<dyn Scheduler>,
    /// An empty directory that the nodes see too, absolute.
    pub directory: PathBuf,
    /// How many nodes to ask for.
    pub nodes: u32,
    /// Slots on each.
    pub ppn: u32,
    /// How long the site may take to start or to end an allocation.
    pub patience: Duration,
}

/// Runs every case.
///
/// # Panics
/// When the scheduler breaks its contract; the message names the case.
pub async fn suite(setup: Setup) {
    fs::create_dir_all(&setup.directory).expect("the directory can be made");
    let cases = setup.clone();
    let run = async move {
        cases.previews().await;
        cases.lives_and_is_cancelled().await;
        cases.ends_by_itself().await;
        if cases.scheduler.info().arrays {
            cases.is_an_array().await;
            cases.is_an_array_of_one().await;
        }
        cases.runs_a_script_as_it_is().await;
        cases.knows_what_it_does_not_know().await;
    };
    // a broken promise must not leave allocations on a real site
    let local = tokio::task::LocalSet::new();
    let run = local.spawn_local(run);
    if let Err(failed) = local.run_until(run).await {
        for case in CASES {
            let left = setup.scheduler.find(&setup.tag(case)).await.unwrap_or_default();
            let _ = setup.scheduler.cancel(&left).await;
        }
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// The cases that ask for allocations.
const CASES: [&str; 6] = ["preview", "life", "end", "array", "single", "script"];

impl Setup {
    /// Unique for a process and a case, and as long as a cluster's own.
    fn tag(&self, case: &str) -> ClusterTag {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in format!("{case}{}", self.directory.display()).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        ClusterTag(format!("rpar-{:08x}", hash as u32))
    }

    fn request(&self, case: &str, script: &str) -> AllocationRequest {
        let directory = self.directory.join(case);
        let pilot = ["/bin/sh", "-c", script, "pilot", "a  b", "it's $HOME \\ \"x\" `id`; *"];
        AllocationRequest {
            tag: self.tag(case),
            nodes: self.nodes,
            array: false,
            ppn: self.ppn,
            walltime: Some(Duration::from_secs(600)),
            queue: None,
            account: None,
            pilot: pilot.map(str::to_owned).to_vec(),
            setup: vec!["export SET_UP='by a line'".into()],
            directory,
            script: None,
        }
    }

    async fn state(&self, id: &AllocationId) -> AllocationState {
        let mut states = self.scheduler.poll(slice::from_ref(id)).await.expect("poll");
        assert_eq!(states.len(), 1, "poll answers for what it was asked");
        states.remove(id).expect("poll answers for each id")
    }

    async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + self.patience;
        while !done().await {
            assert!(Instant::now() < deadline, "{what}: not within {:?}", self.patience);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A file that appears under its name only once it is whole.
    async fn appears(&self, path: &Path) -> String {
        self.until(&format!("{} appears", path.display()), async || path.exists()).await;
        String::from_utf8_lossy(&fs::read(path).expect("it can be read")).into_owned()
    }

    async fn ends(&self, id: &AllocationId) {
        let over = async || {
            let phase = self.state(id).await.phase;
            matches!(phase, AllocationPhase::Ended | AllocationPhase::Unknown)
        };
        self.until("the allocation ends", over).await;
    }

    async fn previews(&self) {
        let request = self.request("preview", "exit 0");
        let script = self.scheduler.preview(&request).expect("preview");
        assert!(!script.argv.is_empty(), "a preview tells the command");
        assert!(script.text.contains("SET_UP"), "a preview shows the setup lines:\n{}", script.text);
        assert_eq!(
            script,
            self.scheduler.preview(&request).expect("preview"),
            "a preview is always the same"
        );
        assert!(!request.directory.exists(), "a preview writes nothing");
        assert_eq!(self.scheduler.info(), self.scheduler.info());
        assert!(
            self.scheduler.find(&request.tag).await.expect("find").is_empty(),
            "a preview submits nothing"
        );
    }

    async fn lives_and_is_cancelled(&self) {
        let script = "printf '%s\\n' \"$SET_UP\" \"$@\" \"$PWD\" > args.new; mv args.new args
            env -0 > env.new; mv env.new env; echo 'a line of the pilot'; exec sleep 600";
        let request = self.request("life", script);
        let id = self.scheduler.submit(&request).await.expect("submit");
        assert_ne!(
            self.state(&id).await.phase,
            AllocationPhase::Unknown,
            "a submitted allocation is known at once"
        );
        assert_eq!(
            self.scheduler.find(&request.tag).await.expect("find"),
            slice::from_ref(&id),
            "it is found by its tag"
        );

        self.until("it runs", async || self.state(&id).await.phase == AllocationPhase::Running).await;
        let environment = self.appears(&request.directory.join("env")).await;
        let arguments = self.appears(&request.directory.join("args")).await;
        let directory = fs::canonicalize(&request.directory).expect("the directory is there");
        let expected =
            format!("by a line\n{}\n{}\n{}\n", request.pilot[4], request.pilot[5], directory.display());
        assert_eq!(arguments, expected, "setup line, arguments and directory reach the pilot as they are");
        assert_eq!(
            self.scheduler.find(&request.tag).await.expect("find"),
            slice::from_ref(&id),
            "it is found while it runs"
        );
        self.until("its output is in logs/allocation*.log", async || logged(&request.directory)).await;

        let environment = variables(&environment);
        let nodes = self.scheduler.nodes(&environment).await.expect("nodes");
        assert_eq!(nodes.len(), self.nodes as usize, "as many nodes as asked for: {nodes:?}");
        for node in &nodes {
            assert!(node.slots == 0 || node.slots >= self.ppn, "{node:?} has the slots asked for, if told");
            assert_eq!(nodes.iter().filter(|other| other.name == node.name).count(), 1, "each node once");
        }

        self.scheduler.cancel(slice::from_ref(&id)).await.expect("cancel");
        self.ends(&id).await;
        assert!(
            self.scheduler.find(&request.tag).await.expect("find").is_empty(),
            "what has ended is not found"
        );
        self.scheduler.cancel(slice::from_ref(&id)).await.expect("to cancel again is fine");
    }

    async fn ends_by_itself(&self) {
        let request = self.request("end", "exit 3");
        let first = self.scheduler.submit(&request).await.expect("submit");
        let second = self.scheduler.submit(&request).await.expect("a tag may have several allocations");
        assert_ne!(first, second);
        self.ends(&first).await;
        self.ends(&second).await;
        let ids = [first.clone(), second, AllocationId("999999".into())];
        let states = self.scheduler.poll(&ids).await.expect("poll many at once");
        assert_eq!(states.keys().collect::<Vec<_>>().len(), ids.len());
        assert_eq!(
            states[&ids[2]].phase,
            AllocationPhase::Unknown,
            "what the site does not mention is unknown"
        );
        if let Some(AllocationEnd::Exit(exit)) = states[&first].end {
            assert_eq!(exit, 3, "an exit status that is told is the pilot's");
        }
    }

    async fn is_an_array(&self) {
        const NAMES: &str = "$SLURM_ARRAY_TASK_ID$PBS_ARRAYID";
        let nodes = self.nodes.max(2);
        // both PBS and Slurm's commands for its users set this one
        let script = format!(
            "index=${{PBS_ARRAY_INDEX:-{NAMES}}}; env -0 > env.$index.new; mv env.$index.new env.$index
            echo 'a line of the pilot'; exec sleep 600"
        );
        let request = AllocationRequest { nodes, array: true, ..self.request("array", &script) };
        let id = self.scheduler.submit(&request).await.expect("submit");
        for index in 1..=nodes {
            let environment = self.appears(&request.directory.join(format!("env.{index}"))).await;
            let environment = variables(&environment);
            let granted = self.scheduler.nodes(&environment).await.expect("nodes");
            assert_eq!(granted.len(), 1, "an element has a node: {granted:?}");
        }
        let all_run = async || {
            let state = self.state(&id).await;
            let elements = state.elements.expect("an array's state tells of its elements");
            state.phase == AllocationPhase::Running && elements.running == nodes
        };
        self.until("all elements run", all_run).await;
        let found = self.scheduler.find(&request.tag).await.expect("find");
        assert_eq!(found, slice::from_ref(&id), "it is found as one");
        self.until("its output is in logs/allocation*.log", async || logged(&request.directory)).await;
        let logs = fs::read_dir(request.directory.join("logs")).expect("logs");
        let names = logs.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let own = names.filter(|name| id.owns_log(name)).count();
        assert_eq!(own, nodes as usize, "each element has a log of its own");
        self.scheduler.cancel(slice::from_ref(&id)).await.expect("cancel");
        self.ends(&id).await;
        assert!(self.scheduler.find(&request.tag).await.expect("find").is_empty(), "nothing of it is left");
    }

    async fn is_an_array_of_one(&self) {
        let script = "echo 1 > ran.new; mv ran.new ran";
        let request = AllocationRequest { nodes: 1, array: true, ..self.request("single", script) };
        let id = self.scheduler.submit(&request).await.expect("submit");
        self.appears(&request.directory.join("ran")).await;
        self.ends(&id).await;
    }

    async fn runs_a_script_as_it_is(&self) {
        let mut request = self.request("script", "exit 0");
        let file = request.directory.join("ran");
        let text = format!("#!/bin/bash\necho 'as it is' > '{0}.new'; mv '{0}.new' '{0}'\n", file.display());
        request.script = Some(text.clone());
        assert_eq!(self.scheduler.preview(&request).expect("preview").text, text);
        let id = self.scheduler.submit(&request).await.expect("submit");
        assert_eq!(self.appears(&file).await, "as it is\n");
        self.ends(&id).await;
    }

    async fn knows_what_it_does_not_know(&self) {
        let stranger = AllocationId("999999".into());
        assert_eq!(self.state(&stranger).await.phase, AllocationPhase::Unknown);
        self.scheduler.cancel(&[stranger]).await.expect("to cancel what is unknown is fine");
        self.scheduler.cancel(&[]).await.expect("cancel nothing");
        assert!(self.scheduler.poll(&[]).await.expect("poll nothing").is_empty());
        let nobody = ClusterTag("rpar-nobody".into());
        assert!(self.scheduler.find(&nobody).await.expect("find").is_empty());
        let error = self.scheduler.nodes(&BTreeMap::new()).await.expect_err("outside there are no nodes");
        assert_eq!((error.action, error.backend), (Action::Nodes, self.scheduler.info().name));
    }
}

/// What `env -0` has printed.
fn variables(environment: &str) -> BTreeMap<String, String> {
    let entries = environment.split('\0').filter_map(|entry| entry.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether the pilot's line is in one of the allocation's logs.
fn logged(directory: &Path) -> bool {
    let entries = fs::read_dir(directory.join("logs")).into_iter().flatten().flatten();
    let logs = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("allocation") && name.ends_with(".log")
    });
    let texts = logs.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.into_iter().any(|text| text.contains("a line of the pilot"))
}
