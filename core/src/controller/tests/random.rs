//! Random inputs, nonsense among them: the machine never panics, and its parts always agree.

use proptest::prelude::*;

use super::*;
use crate::error::{Action, BackendError, Retry};
use crate::id::{RequestId, SubmissionId};
use crate::resources::Resources;
use crate::scheduler::{AllocationPhase, AllocationState};
use crate::task::{After, AfterEnd, Live};
use crate::wire::{BULK, BulkLength, Change, Output, PilotInfo, RETURNED, Retirees, Transfer};

const POLICIES: [Policy; 5] =
    [Policy::Leastload, Policy::Lru, Policy::Plainrandom, Policy::Twobin, Policy::Weighted];

/// One input, made from small numbers so that they often mean something.
#[derive(Clone, Debug)]
struct Draw {
    kind: u8,
    link: u64,
    a: u64,
    b: u64,
    c: u8,
    wait: u16,
}

fn draw() -> impl Strategy<Value = Draw> {
    (0u8..46, 0u64..6, 0u64..24, 0u64..12, any::<u8>(), 0u16..600)
        .prop_map(|(kind, link, a, b, c, wait)| Draw { kind, link, a, b, c, wait })
}

fn failed(action: Action, c: u8) -> BackendError {
    let retry = [Retry::Never, Retry::Later, Retry::Unsure][c as usize % 3];
    BackendError { backend: "fake".into(), action, retry, reason: "no".into(), command: None, hint: None }
}

fn batch(count: u64, bulk: bool) -> Batch {
    let mut batch: Batch = (0..count).map(argument).collect();
    if bulk && count > 0 {
        let last = batch.lengths.get(count as usize - 1) as usize;
        batch.payload.truncate(batch.payload.len() - last);
        let kept = batch.lengths.iter().take(count as usize - 1).collect::<Vec<_>>();
        batch.lengths = kept.into_iter().chain([BULK]).collect();
        batch.bulk = vec![BulkLength { index: count as u32 - 1, bytes: 5 }];
    }
    batch
}

/// Outcomes of `engine` for what it has, or for anything.
fn some_outcomes(bench: &mut Bench, engine: EngineId, draw: &Draw) -> Outcomes {
    let count = draw.b as usize % 5;
    let mut tasks: Vec<Held> = match bench.engines.get_mut(&engine) {
        Some(held) if !draw.c.is_multiple_of(8) => held.drain(..count.min(held.len())).collect(),
        _ => (0..count as u64)
            .map(|i| Held { id: TaskId(draw.a + i), argument: argument(i), attempt: 1 })
            .collect(),
    };
    tasks.truncate(count);
    // an engine gives every status but that of its own loss
    let code = if draw.c % 8 == 5 { TaskStatus::Unplaced as u8 } else { draw.c % 5 };
    let status = TaskStatus::from_code(code).unwrap_or(TaskStatus::Ok);
    let mut outcomes = outcomes(engine, &tasks, draw.a as u32 * 100, status);
    outcomes.batch = batch(tasks.len() as u64, draw.c % 4 == 1);
    if draw.c % 11 == 7 {
        outcomes.codes = vec![RETURNED; tasks.len()].into();
    }
    outcomes
}

fn options(draw: &Draw, base: u64) -> TaskOptions {
    let (a, b, c) = (draw.a, draw.b, draw.c);
    TaskOptions {
        retries: c as u16 % 3,
        rerun: c % 5 != 0,
        timeout_ms: None,
        time_ms: (c % 13 == 5).then_some(a * 1000),
        targets: (c % 4 == 3).then(|| (0..a as u32 % 4).map(EngineId).collect()),
        after: (c % 7 == 1).then(|| After {
            tasks: vec![(TaskId(a.min(base)), (b as u32).min((base - a.min(base)) as u32))],
            submissions: if c % 2 == 0 { vec![SubmissionId(1 + b % 3)] } else { vec![] },
            any: c % 3 == 0,
            on: [AfterEnd::Success, AfterEnd::Failure, AfterEnd::Any][a as usize % 3],
        }),
        priority: (c as i32 % 9 - 4).max(0),
        labels: if c % 11 == 2 { vec![["a", "b"][b as usize % 2].to_owned()] } else { vec![] },
        resources: match c % 10 {
            4 => Resources { cpus: 1 + b % 3, ..Resources::default() },
            6 => Resources { gpus: b % 3, ..Resources::default() },
            _ => Resources::default(),
        },
        live: [Live::Yes, Live::No, Live::Large][c as usize % 3],
    }
}

fn message(bench: &mut Bench, link: LinkId, draw: &Draw) -> Option<Message> {
    let (a, b, c) = (draw.a, draw.b, draw.c);
    let own = bench.hosts.get(&link).and_then(|ids| ids.get(b as usize % ids.len().max(1)).copied());
    let engine = own.filter(|_| c % 16 != 15).unwrap_or(EngineId(a as u32 % 8));
    Some(match draw.kind {
        0..=4 => {
            let base = *bench.next.entry(link).or_default();
            let base = if c % 32 == 31 { a } else { base };
            bench.next.insert(link, base + b);
            let options = options(draw, base);
            let function = if c % 64 == 63 { FunctionHash([0; 32]) } else { echo().hash() };
            Message::Submit { base: TaskId(base), function, options, batch: batch(b, c % 6 == 2) }
        }
        5..=11 => Message::Done(some_outcomes(bench, engine, draw)),
        12 => Message::Cancel {
            runs: [(TaskId(a), b as u32), (TaskId(b), u32::MAX)]
                .into_iter()
                .fold(Default::default(), |_: Runs, (first, count)| Runs::one(first, count)),
            running: c % 2 == 0,
        },
        13 => Message::Window { bytes: a << 20 },
        14 => Message::Ask { question: c as u32, after: (c % 2 == 0).then_some(a) },
        15 if c == 0 => Message::Stop,
        15 => Message::Define(echo()),
        16 => Message::Define(Function { kind: FunctionKind::Native, body: vec![c % 4].into() }),
        17 => Message::Heartbeat,
        18 if c % 8 == 0 => Message::Goodbye { reason: "bye".into() },
        18 if c % 3 == 0 => Message::Room { engine: None, bytes: b },
        18 | 43 => {
            let held = bench.engines.get(&engine).and_then(|held| held.get(b as usize % held.len().max(1)));
            let task = held.filter(|_| c % 4 != 1).map_or(TaskId(a), |held| held.id);
            Message::Output(Output { engine, task, attempt: 1, stream: 1, data: argument(b) })
        }
        19 => Message::Grant { transfer: Transfer::Result(TaskId(a)), upto: b },
        20 => Message::Grant { transfer: Transfer::Argument(TaskId(a)), upto: b },
        21 => {
            Message::Chunk { transfer: Transfer::Argument(TaskId(a)), offset: b % 3, data: vec![c; 5].into() }
        }
        22 => {
            let known =
                bench.controller.transfers.results.iter().next().map(|(task, relay)| (*task, relay.passed));
            let (task, offset) = known.filter(|_| c % 4 != 0).unwrap_or((TaskId(a), b));
            Message::Chunk { transfer: Transfer::Result(task), offset, data: vec![c; 2].into() }
        }
        40 => Change::Grow(grown(request(1 + b as u32 % 2), a as u32 % 4)).message(1),
        41 | 42 => {
            let retirees = match c % 8 {
                0 => Retirees::Node(format!("n{a}")),
                1 => Retirees::Allocation(AllocationId(format!("{}.pbs", b % 3))),
                2 => Retirees::Request(RequestId(b % 3)),
                _ => Retirees::Engines(
                    [a, b][..1 + c as usize % 2].iter().map(|id| EngineId(*id as u32 % 8)).collect(),
                ),
            };
            Change::Retire { retirees, now: c % 3 == 0 }.message(2)
        }
        23 => Message::Report { node: "n0".into(), text: "died".into(), restarting: c % 2 == 0 },
        34 => Message::Open { name: "n".repeat(a as usize * 20) },
        35 => Message::Read { submission: SubmissionId(1 + a % 2), results: c % 3 != 0 },
        36 if c % 4 == 0 => Message::Close,
        36 | 37 => Message::Forget { upto: TaskId(a) },
        38 => Message::List { question: 3, submission: SubmissionId(1 + a % 2), from: TaskId(b) },
        _ => return None,
    })
}

fn input(bench: &mut Bench, draw: &Draw) -> Input {
    let (a, b, c) = (draw.a, draw.b, draw.c);
    let link = LinkId(draw.link);
    if let Some(message) = message(bench, link, draw) {
        return Input::Received { link, message };
    }
    let id = AllocationId(format!("{}.pbs", b % 3));
    match draw.kind {
        24 | 25 => Input::LinkUp {
            link,
            role: if draw.link < 3 { Role::Client } else { Role::Engine },
            address: "x".into(),
        },
        26 => {
            let (engines, allocation) = (b as u32 % 4, Some(id).filter(|_| c % 2 == 0));
            let node = format!("n{a}");
            let message = match c % 8 {
                0 => Message::Pilot(PilotInfo {
                    node,
                    pid: 1,
                    allocation,
                    element: (c % 3 == 0).then_some(1),
                    nodes: vec!["n0".into()],
                    remaining_ms: (b % 3 > 0).then_some(b % 64 * 500),
                }),
                _ => Message::Register(Registration {
                    node,
                    engines,
                    pid: 1,
                    allocation,
                    element: (c % 3 == 0).then_some(1),
                    labels: if c % 3 == 0 { vec!["a".into()] } else { vec![] },
                    resources: Resources { cpus: c as u64 % 5, gpus: c as u64 % 2, ..Resources::default() },
                }),
            };
            Input::Received { link, message }
        }
        27 if c % 4 == 0 => {
            bench.hosts.remove(&link);
            Input::LinkDown { link, reason: "gone".into() }
        }
        28 => Input::Submitted {
            request: RequestId(b % 3),
            answer: if c % 2 == 0 { Ok(id) } else { Err(failed(Action::Submit, c)) },
        },
        29 => Input::Found {
            request: RequestId(b % 3),
            answer: if c % 3 == 0 { Err(failed(Action::Find, c)) } else { Ok(vec![id; c as usize % 2]) },
        },
        30 => Input::Polled {
            answer: if c % 4 == 0 {
                Err(failed(Action::Poll, c))
            } else {
                let phases = [AllocationPhase::Running, AllocationPhase::Ended, AllocationPhase::Unknown];
                Ok([(id, AllocationState::new(phases[c as usize % 3].clone()))].into_iter().collect())
            },
        },
        31 => Input::Cancelled { allocations: vec![id], answer: Ok(()) },
        32 => Input::Output { allocation: id, text: "tail".into() },
        44 | 45 => {
            let answer = |at| if (a + at) % 5 == 0 { Err("full".into()) } else { Ok(()) };
            Input::Written { answers: (0..b / 2).map(answer).collect() }
        }
        33 if c == 1 => Input::Interrupted,
        _ => Input::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_the_machine(draws in proptest::collection::vec(draw(), 1..200), setup in any::<u8>()) {
        let requests = (0..setup % 3).map(|_| request(1)).collect();
        let mut bench = Bench::new(ControllerConfig {
            requests,
            ephemeral: setup % 7 == 0,
            result_bytes: 500,
            policy: POLICIES[setup as usize % POLICIES.len()],
            ..config()
        });
        for link in 0..2 {
            bench.client(LinkId(link));
        }
        if setup % 2 == 0 {
            bench.say(LinkId(0), Message::Open { name: "sweep".into() });
        }
        bench.step(Input::LinkUp { link: LinkId(3), role: Role::Engine, address: "x".into() });
        let registration = Registration { node: "n".into(), engines: 2, pid: 1, allocation: None, ..Registration::default() };
        bench.hosts.insert(LinkId(3), vec![EngineId(0), EngineId(1)]);
        bench.say(LinkId(3), Message::Register(registration));
        bench.hosts.insert(LinkId(3), vec![EngineId(0), EngineId(1)]);
        for draw in draws {
            bench.now = Timestamp(bench.now.0 + draw.wait as u64 * 1000);
            let input = input(&mut bench, &draw);
            if let Input::LinkUp { link, .. } = &input
                && bench.controller.peers.get(*link).is_none()
            {
                bench.defined.remove(link);
                bench.results.retain(|(other, _), _| other != link);
            }
            bench.defined.entry(LinkId(draw.link)).or_default();
            bench.step(input);
        }
        // whatever happened, a stop ends
        bench.step(Input::Interrupted);
        bench.wait(Duration::from_secs(100));
        prop_assert!(bench.exit.is_some());
    }
}
