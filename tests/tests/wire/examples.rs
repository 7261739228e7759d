//! One message of every kind, and of some kinds several, with fixed content.

use std::time::Duration;

use bytes::Bytes;
use rpar_core::connection::Role;
use rpar_core::id::{AllocationId, EngineId, FunctionHash, Incarnation, RequestId, SubmissionId, TaskId};
use rpar_core::resources::Resources;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState, Elements};
use rpar_core::task::{After, AfterEnd, Function, FunctionKind, Live, RunOptions, TaskOptions, TaskStatus};
use rpar_core::wire::{
    AllocationStatus, BULK, Batch, BulkLength, ClusterStatus, ControllerStatus, EngineStatus, Hello, Message,
    NodeStatus, Opened, Outcomes, Output, PilotInfo, Registration, Runs, SubmissionStatus, TaskCounts,
    TaskPage, TaskRecord, TaskState, Transfer, Welcome,
};

/// How many kinds of messages there are.
pub(crate) const KINDS: usize = 40;

fn hash() -> FunctionHash {
    FunctionHash(std::array::from_fn(|index| index as u8))
}

fn batch() -> Batch {
    Batch {
        lengths: [3, BULK, 0, 2].into_iter().collect(),
        payload: Bytes::from_static(b"abcde"),
        bulk: vec![BulkLength { index: 1, bytes: 5_000_000_000 }],
    }
}

fn runs() -> Runs {
    [7, 8, 9, 1 << 40].into_iter().map(TaskId).collect()
}

fn resources() -> Resources {
    Resources { cpus: 4, gpus: 1, memory_bytes: 1 << 33, custom: [("licence".to_owned(), 2)].into() }
}

fn outcomes() -> Outcomes {
    Outcomes {
        engine: Some(EngineId(3)),
        node: Some("nid00012".into()),
        ended_micros: 1_400_000_000_000_000,
        runs: runs(),
        codes: Bytes::from_static(&[0, 0, 1, 5]),
        ran: [10, 20, 30, u32::MAX].into_iter().collect(),
        attempts: Bytes::from_static(&[1, 2, 1, 255]),
        batch: batch(),
    }
}

/// Name and message.
pub(crate) fn all() -> Vec<(&'static str, Message)> {
    let mut all = opening();
    all.extend(work());
    all.extend(around());
    all.extend(crate::size::examples());
    all.extend(crate::why::examples());
    all
}

fn opening() -> Vec<(&'static str, Message)> {
    let hello = Hello {
        versions: vec![1, 2],
        build: "0.1.0".into(),
        role: Role::Engine,
        cluster: "carver/default".into(),
        incarnation: Incarnation(0x0123_4567_89ab_cdef),
        proof: vec![0xaa; 32],
    };
    let welcome = Welcome { version: 1, build: "0.1.0".into(), heartbeat_ms: 2000, window_bytes: 64 << 20 };
    let refused =
        Message::Refused { reason: "wrong secret".into(), supported: vec![1], build: "0.1.0".into() };
    vec![
        ("hello", Message::Hello(hello)),
        ("welcome", Message::Welcome(welcome)),
        ("refused", refused),
        ("heartbeat", Message::Heartbeat),
        ("goodbye", Message::Goodbye { reason: "the cluster was stopped".into() }),
    ]
}

fn work() -> Vec<(&'static str, Message)> {
    let define = |kind, body| Message::Define(Function { kind, body: Bytes::from_static(body) });
    let options = TaskOptions {
        retries: 3,
        rerun: false,
        timeout_ms: Some(1500),
        time_ms: Some(600_000),
        targets: Some(vec![EngineId(0), EngineId(300)]),
        priority: -2,
        labels: vec!["bigmem".into()],
        resources: resources(),
        after: Some(After {
            tasks: vec![(TaskId(3), 4)],
            submissions: vec![SubmissionId(2)],
            any: true,
            on: AfterEnd::Any,
        }),
        live: Live::Yes,
    };
    let submit = |options, batch| Message::Submit { base: TaskId(1000), function: hash(), options, batch };
    let run = |options| Message::Run {
        engine: EngineId(3),
        function: hash(),
        options,
        runs: runs(),
        batch: batch(),
    };
    let options_run = RunOptions {
        attempt: 2,
        timeout_ms: Some(1500),
        shift: -7,
        live: Live::Large,
        resources: resources(),
    };
    let results =
        Outcomes { engine: None, node: None, codes: Bytes::new(), attempts: Bytes::new(), ..outcomes() };
    vec![
        ("define-command", define(FunctionKind::Command, b"spec")),
        ("define-native", define(FunctionKind::Native, b"count")),
        ("define-python", define(FunctionKind::Python, b"")),
        ("submit", submit(options, batch())),
        ("submit-plain", submit(TaskOptions::default(), Batch::default())),
        ("run", run(options_run)),
        ("run-plain", run(RunOptions { attempt: 1, ..RunOptions::default() })),
        ("cancel", Message::Cancel { runs: runs(), running: true }),
        ("cancel-queued", Message::Cancel { runs: runs(), running: false }),
        ("withdraw", Message::Withdraw { engine: EngineId(3), runs: runs() }),
        ("window", Message::Window { bytes: 1 << 33 }),
        ("done", Message::Done(outcomes())),
        ("results", Message::Results(results)),
        ("grant-argument", Message::Grant { transfer: Transfer::Argument(TaskId(8)), upto: 8 << 20 }),
        ("grant-result", Message::Grant { transfer: Transfer::Result(TaskId(8)), upto: 0 }),
        (
            "chunk",
            Message::Chunk {
                transfer: Transfer::Result(TaskId(8)),
                offset: 262_144,
                data: Bytes::from_static(b"part"),
            },
        ),
        ("output", Message::Output(output())),
        ("room", Message::Room { engine: Some(EngineId(3)), bytes: 1 << 20 }),
        ("room-of-all", Message::Room { engine: None, bytes: 1 << 33 }),
    ]
}

fn output() -> Output {
    let data = Bytes::from_static(b"oops\n");
    Output { engine: EngineId(3), task: TaskId(8), attempt: 2, stream: 2, data }
}

fn around() -> Vec<(&'static str, Message)> {
    let registration = Registration {
        node: "nid00012".into(),
        engines: 8,
        pid: 4242,
        allocation: Some(AllocationId::from("123.login1")),
        element: None,
        labels: vec!["bigmem".into(), "gpu".into()],
        resources: resources(),
    };
    let pilot = PilotInfo {
        node: "nid00012".into(),
        pid: 4200,
        allocation: Some(AllocationId::from("4[].login1")),
        element: Some(3),
        nodes: vec!["nid00012".into(), "nid00013".into()],
        remaining_ms: None,
    };
    let timed = PilotInfo { remaining_ms: Some(1_799_000), ..pilot.clone() };
    let report =
        Message::Report { node: "nid00013".into(), text: "killed by signal 9".into(), restarting: true };
    vec![
        ("ask", Message::Ask { question: 7, after: Some(41) }),
        ("ask-now", Message::Ask { question: 8, after: None }),
        ("status", Message::Status { question: 7, status: Box::new(status()) }),
        ("open", Message::Open { name: "sweep".into() }),
        ("read", Message::Read { submission: SubmissionId(3), results: true }),
        ("opened", Message::Opened(opened())),
        ("close", Message::Close),
        ("forget", Message::Forget { upto: TaskId(500) }),
        ("list", Message::List { question: 9, submission: SubmissionId(3), from: TaskId(1000) }),
        ("listed", Message::Listed { question: 9, page: page() }),
        ("stop", Message::Stop),
        ("notice", Message::Notice { text: "engine 3 was lost".into() }),
        ("register", Message::Register(registration)),
        ("registered", Message::Registered { first: EngineId(16) }),
        ("pilot", Message::Pilot(pilot)),
        ("pilot-timed", Message::Pilot(timed)),
        ("ending", Message::Ending { signal: "SIGTERM".into() }),
        ("report", report),
    ]
}

fn opened() -> Opened {
    Opened {
        submission: SubmissionId(3),
        opened_micros: 1_400_000_000_000_000,
        tasks: 1500,
        forgotten: TaskId(500),
        open: true,
    }
}

fn page() -> TaskPage {
    let task = TaskRecord {
        id: TaskId(1000),
        state: TaskState::Ended(TaskStatus::TimedOut),
        attempts: 2,
        engine: Some(EngineId(3)),
        node: Some("nid00012".into()),
        ended_micros: Some(1_400_000_000_000_000),
        ran_micros: 1_500_000,
    };
    TaskPage { tasks: vec![TaskRecord::default(), task], next: Some(TaskId(1001)) }
}

fn submission() -> SubmissionStatus {
    SubmissionStatus {
        id: SubmissionId(3),
        name: "sweep".into(),
        opened_micros: 1_400_000_000_000_000,
        tasks: 10,
        queued: 1,
        assigned: 2,
        succeeded: 3,
        failed: 4,
        forgotten: 5,
        kept_bytes: 1 << 20,
        open: false,
    }
}

fn status() -> ClusterStatus {
    let state = AllocationState {
        phase: AllocationPhase::Other("CG".into()),
        reason: Some("Prolog".into()),
        never: false,
        nodes: vec!["nid00012".into()],
        start: Some("2026-11-24 14:05".into()),
        end: Some(AllocationEnd::Signal(9)),
        elements: Some(Elements { waiting: 1, running: 2, ended: 3 }),
        elapsed: Some(Duration::from_secs(61)),
        remaining: Some(Duration::from_millis(1500)),
    };
    ClusterStatus {
        version: 42,
        controller: ControllerStatus {
            cluster: "carver/default".into(),
            host: "login1".into(),
            pid: 999,
            build: "0.1.0".into(),
            uptime_seconds: 3600,
            clients: 2,
        },
        engines_wanted: 16,
        engines_coming: true,
        engines: vec![EngineStatus {
            id: EngineId(3),
            node: "nid00012".into(),
            pid: 4242,
            allocation: Some(AllocationId::from("123.login1")),
            assigned: 1,
            completed: 77,
            retiring: true,
        }],
        nodes: vec![NodeStatus {
            node: "nid00012".into(),
            engines: 8,
            labels: vec!["bigmem".into()],
            has: resources(),
            taken: Resources::default(),
        }],
        allocations: vec![AllocationStatus {
            request: RequestId(0),
            id: Some(AllocationId::from("123.login1")),
            nodes: 2,
            state,
            engines: 16,
            engines_wanted: 16,
            coming: true,
            problem: None,
        }],
        tasks: TaskCounts { waiting: 5, queued: 1, assigned: 2, succeeded: 3, failed: 4 },
        submissions: vec![submission()],
        paused: true,
        problems: vec!["qsub was slow".into()],
    }
}
