//! Random messages of every kind.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
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

pub(crate) fn text() -> impl Strategy<Value = String> {
    "\\PC{0,20}"
}

fn data(limit: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..limit).prop_map(Bytes::from)
}

fn task() -> impl Strategy<Value = TaskId> {
    prop_oneof![0u64..100, any::<u64>()].prop_map(TaskId)
}

pub(crate) fn engine() -> impl Strategy<Value = EngineId> {
    any::<u32>().prop_map(EngineId)
}

fn hash() -> impl Strategy<Value = FunctionHash> {
    any::<[u8; 32]>().prop_map(FunctionHash)
}

fn allocation() -> impl Strategy<Value = Option<AllocationId>> {
    option::of(text().prop_map(AllocationId))
}

/// A batch of `count` payloads, some of them announced.
fn batch(count: usize) -> impl Strategy<Value = Batch> {
    vec(prop_oneof![4 => data(12).prop_map(Ok), 1 => any::<u64>().prop_map(Err)], count).prop_map(
        |payloads| {
            let mut batch = Batch::default();
            let (mut lengths, mut payload) = (Vec::new(), Vec::new());
            for (index, part) in payloads.into_iter().enumerate() {
                match part {
                    Ok(data) => {
                        lengths.push(data.len() as u32);
                        payload.extend_from_slice(&data);
                    }
                    Err(bytes) => {
                        lengths.push(BULK);
                        batch.bulk.push(BulkLength { index: index as u32, bytes });
                    }
                }
            }
            batch.lengths = lengths.into_iter().collect();
            batch.payload = payload.into();
            batch
        },
    )
}

fn runs(count: usize) -> impl Strategy<Value = Runs> {
    vec(prop_oneof![0u64..50, 0..u64::MAX], count).prop_map(|ids| ids.into_iter().map(TaskId).collect())
}

/// Ids and as many payloads.
fn tasks() -> impl Strategy<Value = (Runs, Batch)> {
    (0usize..20).prop_flat_map(|count| (runs(count), batch(count)))
}

fn outcomes() -> impl Strategy<Value = Outcomes> {
    (0usize..20).prop_flat_map(|count| {
        let codes = prop_oneof![Just(Vec::new()), vec(any::<u8>(), count)];
        let attempts = prop_oneof![Just(Vec::new()), vec(any::<u8>(), count)];
        let head = (option::of(engine()), option::of(text()), any::<u64>());
        (head, runs(count), codes, vec(any::<u32>(), count), attempts, batch(count)).prop_map(
            |((engine, node, ended_micros), runs, codes, ran, attempts, batch)| Outcomes {
                engine,
                node: node.map(Into::into),
                ended_micros,
                runs,
                codes: codes.into(),
                ran: ran.into_iter().collect(),
                attempts: attempts.into(),
                batch,
            },
        )
    })
}

fn function() -> impl Strategy<Value = Function> {
    let kind =
        prop_oneof![Just(FunctionKind::Command), Just(FunctionKind::Native), Just(FunctionKind::Python)];
    (kind, data(50)).prop_map(|(kind, body)| Function { kind, body })
}

fn options() -> impl Strategy<Value = TaskOptions> {
    let time = || option::of(any::<u64>());
    let old = (any::<u16>(), any::<bool>(), time(), time(), option::of(vec(engine(), 0..5)));
    let labels = vec(text(), 0..3);
    (old, any::<i32>(), labels, resources(), option::of(after()), live()).prop_map(
        |((retries, rerun, timeout_ms, time_ms, targets), priority, labels, resources, after, live)| {
            TaskOptions {
                retries,
                rerun,
                timeout_ms,
                time_ms,
                targets,
                priority,
                labels,
                resources,
                after,
                live,
            }
        },
    )
}

fn live() -> impl Strategy<Value = Live> {
    prop_oneof![Just(Live::No), Just(Live::Yes), Just(Live::Large), Just(Live::Printed)]
}

fn resources() -> impl Strategy<Value = Resources> {
    let custom = proptest::collection::btree_map(text(), any::<u64>(), 0..3);
    (any::<u64>(), any::<u64>(), any::<u64>(), custom)
        .prop_map(|(cpus, gpus, memory_bytes, custom)| Resources { cpus, gpus, memory_bytes, custom })
}

fn after() -> impl Strategy<Value = After> {
    let on = prop_oneof![Just(AfterEnd::Success), Just(AfterEnd::Failure), Just(AfterEnd::Any)];
    (vec((task(), any::<u32>()), 0..3), vec(any::<u64>().prop_map(SubmissionId), 0..3), any::<bool>(), on)
        .prop_map(|(tasks, submissions, any, on)| After { tasks, submissions, any, on })
}

fn run_options() -> impl Strategy<Value = RunOptions> {
    (any::<u16>(), option::of(any::<u64>()), any::<i64>(), live(), resources()).prop_map(
        |(attempt, timeout_ms, shift, live, resources)| RunOptions {
            attempt,
            timeout_ms,
            shift,
            live,
            resources,
        },
    )
}

fn transfer() -> impl Strategy<Value = Transfer> {
    prop_oneof![task().prop_map(Transfer::Argument), task().prop_map(Transfer::Result)]
}

fn hello() -> impl Strategy<Value = Message> {
    let role = prop_oneof![Just(Role::Client), Just(Role::Engine)];
    (vec(any::<u16>(), 0..4), text(), role, text(), any::<u64>(), vec(any::<u8>(), 0..40)).prop_map(
        |(versions, build, role, cluster, incarnation, proof)| {
            Message::Hello(Hello {
                versions,
                build,
                role,
                cluster,
                incarnation: Incarnation(incarnation),
                proof,
            })
        },
    )
}

fn state() -> impl Strategy<Value = AllocationState> {
    let phase = prop_oneof![
        Just(AllocationPhase::Unknown),
        Just(AllocationPhase::Queued),
        Just(AllocationPhase::Held),
        Just(AllocationPhase::Running),
        Just(AllocationPhase::Ending),
        Just(AllocationPhase::Ended),
        text().prop_map(AllocationPhase::Other),
    ];
    let time = || option::of((any::<u64>(), 0u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n)));
    let end = prop_oneof![
        any::<i32>().prop_map(AllocationEnd::Exit),
        any::<i32>().prop_map(AllocationEnd::Signal),
        Just(AllocationEnd::Walltime),
        Just(AllocationEnd::Cancelled),
        Just(AllocationEnd::NodeFailed),
    ];
    let elements =
        any::<[u32; 3]>().prop_map(|[waiting, running, ended]| Elements { waiting, running, ended });
    let told = (phase, option::of(text()), any::<bool>(), vec(text(), 0..3), option::of(text()));
    (told, option::of(end), option::of(elements), time(), time()).prop_map(
        |((phase, reason, never, nodes, start), end, elements, elapsed, remaining)| AllocationState {
            phase,
            reason,
            never,
            nodes,
            start,
            end,
            elements,
            elapsed,
            remaining,
        },
    )
}

fn node() -> impl Strategy<Value = NodeStatus> {
    (text(), any::<u32>(), vec(text(), 0..3), resources(), resources())
        .prop_map(|(node, engines, labels, has, taken)| NodeStatus { node, engines, labels, has, taken })
}

fn submission_status() -> impl Strategy<Value = SubmissionStatus> {
    (any::<[u64; 9]>(), text(), any::<bool>()).prop_map(
        |(
            [id, opened_micros, tasks, queued, assigned, succeeded, failed, forgotten, kept_bytes],
            name,
            open,
        )| {
            SubmissionStatus {
                id: SubmissionId(id),
                name,
                opened_micros,
                tasks,
                queued,
                assigned,
                succeeded,
                failed,
                forgotten,
                kept_bytes,
                open,
            }
        },
    )
}

fn page() -> impl Strategy<Value = TaskPage> {
    let status = (0u8..7).prop_map(|code| TaskStatus::from_code(code).unwrap_or(TaskStatus::Ok));
    let state =
        prop_oneof![Just(TaskState::Queued), Just(TaskState::Assigned), status.prop_map(TaskState::Ended)];
    let place = (option::of(engine()), option::of(text()), option::of(any::<u64>()));
    let record = (task(), state, any::<u16>(), place, any::<u64>()).prop_map(
        |(id, state, attempts, (engine, node, ended_micros), ran_micros)| TaskRecord {
            id,
            state,
            attempts,
            engine,
            node,
            ended_micros,
            ran_micros,
        },
    );
    (vec(record, 0..4), option::of(task())).prop_map(|(tasks, next)| TaskPage { tasks, next })
}

fn detached() -> impl Strategy<Value = Message> {
    let id = || any::<u64>().prop_map(SubmissionId);
    let opened = (id(), any::<u64>(), any::<u64>(), task(), any::<bool>()).prop_map(
        |(submission, opened_micros, tasks, forgotten, open)| Opened {
            submission,
            opened_micros,
            tasks,
            forgotten,
            open,
        },
    );
    prop_oneof![
        text().prop_map(|name| Message::Open { name }),
        (id(), any::<bool>()).prop_map(|(submission, results)| Message::Read { submission, results }),
        opened.prop_map(Message::Opened),
        Just(Message::Close),
        task().prop_map(|upto| Message::Forget { upto }),
        (any::<u32>(), id(), task()).prop_map(|(question, submission, from)| Message::List {
            question,
            submission,
            from
        }),
        (any::<u32>(), page()).prop_map(|(question, page)| Message::Listed { question, page }),
    ]
}

fn status() -> impl Strategy<Value = ClusterStatus> {
    let controller = (text(), text(), any::<u32>(), text(), any::<u64>(), any::<u32>()).prop_map(
        |(cluster, host, pid, build, uptime_seconds, clients)| ControllerStatus {
            cluster,
            host,
            pid,
            build,
            uptime_seconds,
            clients,
        },
    );
    let counts = (any::<u32>(), any::<u64>(), any::<bool>());
    let engines = (engine(), text(), any::<u32>(), allocation(), counts).prop_map(
        |(id, node, pid, allocation, (assigned, completed, retiring))| EngineStatus {
            id,
            node,
            pid,
            allocation,
            assigned,
            completed,
            retiring,
        },
    );
    let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>());
    let allocations = (allocation(), numbers, state(), option::of(text())).prop_map(
        |(id, (request, nodes, engines, engines_wanted, coming), state, problem)| AllocationStatus {
            request: RequestId(request),
            id,
            nodes,
            state,
            engines,
            engines_wanted,
            coming,
            problem,
        },
    );
    let tasks = any::<[u64; 5]>().prop_map(|[waiting, queued, assigned, succeeded, failed]| TaskCounts {
        waiting,
        queued,
        assigned,
        succeeded,
        failed,
    });
    let numbers = (any::<u64>(), any::<u32>(), any::<bool>(), any::<bool>());
    let parts =
        (vec(engines, 0..4), vec(allocations, 0..3), vec(submission_status(), 0..3), vec(node(), 0..3));
    (numbers, controller, parts, tasks, vec(text(), 0..3)).prop_map(
        |(
            (version, engines_wanted, engines_coming, paused),
            controller,
            (engines, allocations, submissions, nodes),
            tasks,
            problems,
        )| {
            ClusterStatus {
                submissions,
                nodes,
                paused,
                version,
                controller,
                engines_wanted,
                engines_coming,
                engines,
                allocations,
                tasks,
                problems,
            }
        },
    )
}

/// A message of any kind.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        opening(),
        submitting(),
        running(),
        around(),
        detached(),
        crate::size::messages(),
        crate::why::messages()
    ]
}

fn opening() -> impl Strategy<Value = Message> {
    let welcome = (any::<u16>(), text(), any::<u32>(), any::<u64>()).prop_map(
        |(version, build, heartbeat_ms, window_bytes)| {
            Message::Welcome(Welcome { version, build, heartbeat_ms, window_bytes })
        },
    );
    let refused = (text(), vec(any::<u16>(), 0..4), text())
        .prop_map(|(reason, supported, build)| Message::Refused { reason, supported, build });
    prop_oneof![
        hello(),
        welcome,
        refused,
        Just(Message::Heartbeat),
        text().prop_map(|reason| Message::Goodbye { reason }),
    ]
}

fn submitting() -> impl Strategy<Value = Message> {
    let submit = (0u64..1 << 60, hash(), options(), (0usize..20).prop_flat_map(batch)).prop_map(
        |(base, function, options, batch)| Message::Submit { base: TaskId(base), function, options, batch },
    );
    prop_oneof![
        function().prop_map(Message::Define),
        submit,
        ((0usize..20).prop_flat_map(runs), any::<bool>())
            .prop_map(|(runs, running)| Message::Cancel { runs, running }),
        any::<u64>().prop_map(|bytes| Message::Window { bytes }),
        outcomes().prop_map(Message::Results),
        (any::<u32>(), option::of(any::<u64>()))
            .prop_map(|(question, after)| Message::Ask { question, after }),
        (any::<u32>(), status())
            .prop_map(|(question, status)| Message::Status { question, status: Box::new(status) }),
        Just(Message::Stop),
        text().prop_map(|text| Message::Notice { text }),
    ]
}

fn running() -> impl Strategy<Value = Message> {
    let run =
        (engine(), hash(), run_options(), tasks()).prop_map(|(engine, function, options, (runs, batch))| {
            Message::Run { engine, function, options, runs, batch }
        });
    prop_oneof![
        run,
        (engine(), (0usize..20).prop_flat_map(runs))
            .prop_map(|(engine, runs)| Message::Withdraw { engine, runs }),
        outcomes().prop_map(Message::Done),
        (transfer(), any::<u64>()).prop_map(|(transfer, upto)| Message::Grant { transfer, upto }),
        (transfer(), any::<u64>(), data(60)).prop_map(|(transfer, offset, data)| Message::Chunk {
            transfer,
            offset,
            data
        }),
        (engine(), task(), any::<u16>(), any::<u8>(), data(60)).prop_map(
            |(engine, task, attempt, stream, data)| Message::Output(Output {
                engine,
                task,
                attempt,
                stream,
                data
            })
        ),
        (option::of(engine()), any::<u64>()).prop_map(|(engine, bytes)| Message::Room { engine, bytes }),
    ]
}

fn around() -> impl Strategy<Value = Message> {
    let within = || (allocation(), option::of(any::<u32>()));
    let register = (text(), any::<u32>(), any::<u32>(), within(), vec(text(), 0..3), resources()).prop_map(
        |(node, engines, pid, (allocation, element), labels, resources)| {
            Message::Register(Registration { node, engines, pid, allocation, element, labels, resources })
        },
    );
    let pilot = (text(), any::<u32>(), within(), vec(text(), 0..4), option::of(any::<u64>())).prop_map(
        |(node, pid, (allocation, element), nodes, remaining_ms)| {
            Message::Pilot(PilotInfo { node, pid, allocation, element, nodes, remaining_ms })
        },
    );
    prop_oneof![
        register,
        text().prop_map(|signal| Message::Ending { signal }),
        engine().prop_map(|first| Message::Registered { first }),
        pilot,
        (text(), text(), any::<bool>()).prop_map(|(node, text, restarting)| Message::Report {
            node,
            text,
            restarting
        }),
    ]
}
