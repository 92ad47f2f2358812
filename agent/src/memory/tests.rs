//! What is remembered of a step that ended.

use std::sync::Arc;

use host::clock::ManualClock;
use host::machine::Machine as _;
use host::memory::Machine;
use host::storage::Cause;

use super::*;

#[test]
fn a_presence_counts_in_the_session_that_it_was_announced_in_however_late_its_end_is_noted() {
    let machine = Machine::new(Arc::new(ManualClock::default()));
    let presence = Presence { boot: machine.node().boot, restart_planned: None };
    let step = Step {
        resource: Resource::Node,
        action: Action::Announce(Box::new(presence.clone())),
        guards: Vec::new(),
        not_after: None,
        reason: Reason::SessionBegan,
    };
    let outcome = Ok(Done { announced_in: Some(7), ..Done::default() });
    let mut memory = Memory::default();
    let (at, took) = (BootTime(1), Span(0));
    memory.note(&Ended { step: Arc::new(step), outcome, at, took, ticket: 1 });
    assert_eq!(memory.announced, Some((7, presence)));
}

#[test]
fn who_a_guest_was_at_the_storage_is_forgotten_when_it_comes_back_from_another_node() {
    let vm = logic::id::VmId(uuid::Uuid::from_u128(7));
    let mut memory = Memory::default();
    let look = Look { incarnation: 1, at: BootTime(1), volumes: Vec::new() };
    memory.volume_looks.insert((vm, Occasion::Run), look);
    let step = Step {
        resource: Resource::Vm(vm),
        action: Action::ReleaseGuest { vm, incarnation: 1 },
        guards: Vec::new(),
        not_after: None,
        reason: Reason::TaskClaimed,
    };
    let (at, took) = (BootTime(2), Span(0));
    memory.note(&Ended { step: Arc::new(step), outcome: Ok(Done::default()), at, took, ticket: 1 });
    assert!(memory.volume_looks.is_empty(), "it is another client now: {:?}", memory.volume_looks);
}

#[test]
fn the_silence_of_a_holder_counts_from_its_last_word_and_only_while_this_nodes_own_keepalives_get_through() {
    let cluster = |term, version| {
        let role =
            logic::primary::Primary { node: "hv1".parse().unwrap(), term, handover: None, former: None };
        let status = logic::record::Versioned { version: Version(version), value: Default::default() };
        let entry = logic::cluster::NodeEntry { status: Some(status), ..Default::default() };
        let role = logic::record::Versioned { version: Version(1), value: role };
        let mut cluster = Cluster { primary: Some(role), ..Cluster::default() };
        cluster.nodes.insert("hv1".parse().unwrap(), entry.into());
        cluster
    };
    let interval = Span::seconds(5);
    let mut memory = Memory::default();
    let since = |memory: &mut Memory, cluster: &Cluster, now_s: u64, sent_s: Option<u64>| {
        memory.keepalive_at = sent_s.map(|sent_s| BootTime(sent_s * 1000));
        memory.holder_since(cluster, interval, BootTime(now_s * 1000)).map(|since| since.0 / 1000)
    };
    let first = cluster(1, 7);
    assert_eq!(since(&mut memory, &first, 10, None), None, "nothing of this node got through yet");
    assert_eq!(since(&mut memory, &first, 11, Some(11)), Some(11));
    assert_eq!(since(&mut memory, &first, 20, Some(16)), Some(11));
    assert_eq!(since(&mut memory, &cluster(1, 8), 21, Some(21)), Some(21), "it has spoken");
    assert_eq!(since(&mut memory, &cluster(2, 8), 23, Some(21)), Some(23), "another term");
    assert_eq!(
        since(&mut memory, &cluster(2, 8), 32, Some(21)),
        None,
        "the store may have been away for all"
    );
    assert_eq!(since(&mut memory, &cluster(2, 8), 33, Some(33)), Some(33), "what was before does not count");
}

#[test]
fn what_stands_in_the_way_of_a_step_on_the_storage_is_not_the_tasks() {
    let task = TaskId(7);
    let volume: logic::storage::VolumePath = "vms/web".parse().unwrap();
    let change = logic::storage::change::Change::CreateVolume { volume, size_bytes: 1 << 30 };
    let refused = |cause: Cause| {
        let (what, why, remedy) = ("make vms/web".to_owned(), "no".to_owned(), "see".to_owned());
        Fault::Storage(host::storage::Error::Refused { what, cause, why, remedy })
    };
    for (cause, left) in
        [(Cause::Exists, Left::Strange), (Cause::Unmade, Left::Strange), (Cause::Other, Left::Own)]
    {
        let step = Step {
            resource: Resource::Task(task),
            action: Action::Storage(change.clone()),
            guards: Vec::new(),
            not_after: None,
            reason: Reason::TaskStage { stage: 1 },
        };
        let mut memory = Memory::default();
        let (at, took, outcome) = (BootTime(1), Span(0), Err(refused(cause)));
        memory.note(&Ended { step: Arc::new(step), outcome, at, took, ticket: 1 });
        assert_eq!(memory.stages[&task].left, left, "{cause:?}");
    }
}
