//! Messages that change the cluster's size: an example of each, and random ones.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rpar_core::id::{AllocationId, EngineId, RequestId};
use rpar_core::scheduler::AllocationRequest;
use rpar_core::wire::{Growth, Message, Portion, Retirees};

use crate::strategies::{engine, text};

fn request() -> AllocationRequest {
    AllocationRequest {
        tag: "rpar-93af7f6c".into(),
        nodes: 2,
        array: false,
        ppn: 8,
        walltime: Some(Duration::from_secs(1800)),
        queue: Some("debug".into()),
        account: None,
        pilot: vec!["/opt/rpar".into(), "pilot".into()],
        setup: vec!["module load python".into()],
        directory: "/home/u/rpar".into(),
        script: None,
    }
}

/// Name and message.
pub(crate) fn examples() -> Vec<(&'static str, Message)> {
    let growth = Box::new(Growth { portions: vec![Portion { request: request(), times: 3, engines: 12 }] });
    let retire = |now, retirees| Message::Retire { question: 10, now, retirees };
    vec![
        ("grow", Message::Grow { question: 9, growth }),
        ("retire-engines", retire(true, Retirees::Engines(vec![EngineId(3), EngineId(300)]))),
        ("retire-node", retire(false, Retirees::Node("nid00012".into()))),
        ("retire-allocation", retire(false, Retirees::Allocation("123.login1".into()))),
        ("retire-request", retire(false, Retirees::Request(RequestId(1)))),
        ("agreed-grow", Message::Agreed { question: 9, request: Some(RequestId(1)), engines: Vec::new() }),
        (
            "agreed-retire",
            Message::Agreed { question: 10, request: None, engines: vec![EngineId(3), EngineId(300)] },
        ),
        ("declined", Message::Declined { question: 10, reason: "no such engine is there: 3".into() }),
        ("release", Message::Release { node: "nid00012".into(), engines: 7 }),
    ]
}

fn growth() -> impl Strategy<Value = Growth> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), option::of(any::<u32>()));
    let texts = (text(), option::of(text()), option::of(text()), text(), option::of("\\PC{0,200}"));
    (numbers, texts, vec(text(), 0..4), vec(text(), 0..3)).prop_map(
        |((nodes, ppn, engines, walltime), (tag, queue, account, directory, script), pilot, setup)| {
            let request = AllocationRequest {
                tag: tag.as_str().into(),
                nodes,
                array: nodes % 2 == 1,
                ppn,
                walltime: walltime.map(|seconds| Duration::from_secs(seconds.into())),
                queue,
                account,
                pilot,
                setup,
                directory: directory.into(),
                script,
            };
            let times = engines % 7;
            Growth { portions: vec![Portion { request, times, engines }] }
        },
    )
}

/// A message of one of these kinds.
pub(crate) fn messages() -> impl Strategy<Value = Message> {
    let retirees = prop_oneof![
        vec(engine(), 0..5).prop_map(Retirees::Engines),
        text().prop_map(Retirees::Node),
        text().prop_map(|id| Retirees::Allocation(AllocationId(id))),
        any::<u64>().prop_map(|number| Retirees::Request(RequestId(number))),
    ];
    let agreed = (any::<u32>(), option::of(any::<u64>().prop_map(RequestId)), vec(engine(), 0..5));
    prop_oneof![
        (any::<u32>(), growth())
            .prop_map(|(question, growth)| Message::Grow { question, growth: Box::new(growth) }),
        (any::<u32>(), any::<bool>(), retirees).prop_map(|(question, now, retirees)| Message::Retire {
            question,
            now,
            retirees
        }),
        agreed.prop_map(|(question, request, engines)| Message::Agreed { question, request, engines }),
        (any::<u32>(), text()).prop_map(|(question, reason)| Message::Declined { question, reason }),
        (text(), any::<u32>()).prop_map(|(node, engines)| Message::Release { node, engines }),
    ]
}
