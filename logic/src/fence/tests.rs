//! The tables of fences at the storage: what is asked, what the primary does next, what a node owes, what is told.

use std::collections::BTreeMap;

use super::ask::{Unfit, ask};
use super::reason::FenceReason;
use super::*;
use crate::cluster::NodeEntry;
use crate::fence::trouble::{Trouble, troubles};
use crate::limits::{CALL_LATE_MAX, CONFIRM_INTERVAL, FENCE_WATCH_INTERVAL, STORAGE_ADDRESSES_MAX};
use crate::node::{DaemonState, Node, NodeStatus};
use crate::observed::{Fencing, Guests, Observed, Told};
use crate::plan::{Action, Plan, Reason};
use crate::primary::Primary;
use crate::record::{Expect, Record, Records, Version, Versioned};
use crate::storage::facts::{FenceFacts, OsdFacts, StorageFacts};
use crate::storage::figures::{Osd, OsdFigures};
use crate::testing::{BOOT, NOW, VM, at, cluster_with_vm, fact, hv1, observed};
use crate::time::BootTime;
use crate::vm::domain::disks::{Sharing, VolumeUse};
use crate::vm::{Phase, Power};

const OTHER_BOOT: BootId = BootId(uuid::uuid!("00000000-0000-4000-8000-000000000002"));

fn hv2() -> NodeName {
    "hv2".parse().unwrap()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn block(stage: Stage) -> Block {
    Block { number: 3, boot: BOOT, addresses: [ip(2)].into(), since: NOW.wall, stage }
}

fn laid() -> Stage {
    Stage::Laid { epoch: 7, awaited: Vec::new() }
}

fn confirmed() -> Stage {
    Stage::Confirmed { epoch: 7, unproven: Vec::new() }
}

fn lifted() -> Stage {
    Stage::Lifted { ground: Ground::Obeyed, epoch: 4 }
}

/// A cluster of `hv1`, which is primary, and `hv2`, which says this and is blocked like that.
fn cluster(boot: BootId, word: Word, stage: Option<Stage>) -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    cluster.primary = Some(at(Primary { node: hv1(), term: 1, handover: None, former: None }));
    let node = Node { boot, storage_addresses: [ip(2)].into(), ..Node::default() };
    let status = NodeStatus { daemon: DaemonState::Run, boot, storage: word, ..NodeStatus::default() };
    let entry = NodeEntry { node: Some(at(node)), status: Some(at(status)), ..NodeEntry::default() };
    cluster.nodes.insert(hv2(), entry.into());
    if let Some(stage) = stage {
        cluster.fences.insert(hv2(), at(block(stage)).into());
    }
    cluster
}

fn primary(outcome: Option<(u64, Outcome)>) -> Observed {
    let told = outcome.map(|(ago_ms, outcome)| {
        let ended = BootTime(NOW.boot.0 - ago_ms);
        (hv2(), Told { under: Version(1), at: ended, outcome })
    });
    let told: BTreeMap<_, _> = told.into_iter().collect();
    Observed { fencing: Fencing { has_fence: true, told, ..Fencing::default() }, ..observed(&[]) }
}

/// What the one step of a plan does: the act, or the stage that it writes.
fn shown(plan: &Plan) -> String {
    let Some(step) = plan.steps.first() else {
        return plan.look_again.map_or("nothing".into(), |later| format!("in {} ms", (later - NOW.boot).0));
    };
    assert_eq!(plan.steps.len(), 1);
    let role = |guards: &[Guard]| guards.iter().any(|guard| guard.record == RecordId::Primary);
    match &step.action {
        Action::Fence(change) => {
            let own = step.guards.iter().any(|guard| guard.record == RecordId::Fence(hv2()));
            assert!(own && role(&step.guards) && change.addresses == [ip(2)], "{step:?}");
            change.name().into()
        }
        Action::Record(records) => {
            assert!(role(&records.guards), "{step:?}");
            let Some(Record::Fence(block)) = &records.writes[0].value else { panic!("{step:?}") };
            assert_eq!(records.writes[0].expect, Expect::Version(Version(1)));
            format!("{:?}", block.stage)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_stage_of_a_block_has_its_next_step() {
    let everywhere = |unproven: &[&str]| Outcome::Everywhere {
        epoch: 8,
        unproven: unproven.iter().map(|pool| pool.parse().unwrap()).collect(),
    };
    let lags = || Outcome::Awaited { osds: vec![1, 4] };
    let lagging = || Stage::Laid { epoch: 7, awaited: vec![1, 4] };
    let lifting = || Stage::Lifting { ground: Ground::Rebooted };
    for (stage, outcome, next) in [
        (Stage::Wanted, None, "block-node"),
        (Stage::Wanted, Some((0, Outcome::Laid { epoch: 7 })), "Laid { epoch: 7, awaited: [] }"),
        (laid(), None, "confirm-block"),
        (laid(), Some((0, everywhere(&[]))), "Confirmed { epoch: 7, unproven: [] }"),
        (laid(), Some((0, everywhere(&["one"]))), "Confirmed { epoch: 7, unproven: [one] }"),
        (laid(), Some((0, lags())), "Laid { epoch: 7, awaited: [1, 4] }"),
        (lagging(), Some((50, lags())), "in 950 ms"),
        (lagging(), Some((CONFIRM_INTERVAL.0, lags())), "confirm-block"),
        (lagging(), Some((0, everywhere(&[]))), "Confirmed { epoch: 7, unproven: [] }"),
        (laid(), Some((0, Outcome::Gone)), "Wanted"),
        (confirmed(), None, "confirm-block"),
        (confirmed(), Some((1_000, everywhere(&[]))), "in 59000 ms"),
        (confirmed(), Some((1_000, lags())), "in 59000 ms"),
        (confirmed(), Some((0, everywhere(&["one"]))), "Confirmed { epoch: 7, unproven: [one] }"),
        (confirmed(), Some((FENCE_WATCH_INTERVAL.0, everywhere(&[]))), "confirm-block"),
        (confirmed(), Some((0, Outcome::Gone)), "Wanted"),
        (lifting(), None, "unblock-node"),
        (lifting(), Some((0, Outcome::Free { epoch: 9 })), "Lifted { ground: Rebooted, epoch: 9 }"),
        (lifted(), None, "nothing"),
    ] {
        let cluster = cluster(BOOT, Word::default(), Some(stage.clone()));
        let plan = decide::decide(&cluster, &primary(outcome.clone()), NOW);
        assert_eq!(shown(&plan), next, "{stage:?} after {outcome:?}");
    }
}

#[test]
fn what_came_of_a_step_under_another_record_says_nothing() {
    let mut observed = primary(Some((0, Outcome::Everywhere { epoch: 8, unproven: Vec::new() })));
    observed.fencing.told.get_mut(&hv2()).unwrap().under = Version(2);
    let plan = decide::decide(&cluster(BOOT, Word::default(), Some(laid())), &observed, NOW);
    assert_eq!(shown(&plan), "confirm-block");
}

#[test]
fn a_block_is_lifted_on_another_boot_or_on_the_nodes_word_about_this_very_block() {
    let obeyed = |number| Word { obeyed: Some(number), ..Word::default() };
    for stage in [Stage::Wanted, laid(), confirmed()] {
        for (boot, word, ground) in [
            (BOOT, Word::default(), None),
            (BOOT, obeyed(2), None),
            (BOOT, obeyed(3), Some(Ground::Obeyed)),
            (OTHER_BOOT, Word::default(), Some(Ground::Rebooted)),
            // What another boot says of a block is nothing that this one heard.
            (OTHER_BOOT, obeyed(3), Some(Ground::Rebooted)),
        ] {
            let cluster = cluster(boot, word.clone(), Some(stage.clone()));
            let next = shown(&decide::decide(&cluster, &primary(None), NOW));
            let lifting = ground.map(|ground| format!("{:?}", Stage::Lifting { ground }));
            assert_eq!(next.starts_with("Lifting"), lifting.is_some(), "{stage:?} {boot:?} {word:?}: {next}");
            assert!(lifting.is_none_or(|lifting| lifting == next), "{stage:?} {boot:?} {word:?}: {next}");
        }
    }
    // A word of an earlier boot of the very boot that is blocked.
    let mut stale = cluster(BOOT, obeyed(3), Some(laid()));
    let mut entry = (**stale.nodes.get(&hv2()).unwrap()).clone();
    entry.status.as_mut().unwrap().value.boot = OTHER_BOOT;
    stale.nodes.insert(hv2(), entry.into());
    assert_eq!(shown(&decide::decide(&stale, &primary(None), NOW)), "confirm-block");
}

#[test]
fn a_late_call_is_undone_when_the_node_finds_itself_blocked_in_a_later_map() {
    for (blocked, epoch, lifts) in [(ip(2), 4, false), (ip(2), 5, true), (ip(3), 5, false)] {
        let word = Word { blocked: vec![blocked], epoch, ..Word::default() };
        let plan = decide::decide(&cluster(BOOT, word, Some(lifted())), &primary(None), NOW);
        let expected = if lifts { "Lifting { ground: Obeyed }" } else { "nothing" };
        assert_eq!(shown(&plan), expected, "{blocked} in {epoch}");
    }
}

#[test]
fn only_the_holder_of_the_role_does_anything_and_only_where_there_is_a_fence() {
    let cluster = cluster(BOOT, Word::default(), Some(Stage::Wanted));
    let other = Observed { name: hv2(), ..primary(None) };
    assert_eq!(decide::decide(&cluster, &other, NOW), Plan::default());
    let mut directory = primary(None);
    directory.fencing.has_fence = false;
    assert_eq!(decide::decide(&cluster, &directory, NOW), Plan::default());
}

#[test]
fn a_fence_is_asked_once_and_only_of_what_can_be_blocked() {
    let asked = |cluster: &Cluster| ask(cluster, &hv2(), NOW.wall);
    let open = cluster(BOOT, Word::default(), None);
    let records = asked(&open).unwrap();
    let wanted = Block { number: 1, ..block(Stage::Wanted) };
    assert_eq!(records.writes[0].value, Some(wanted.into()));
    assert_eq!(records.guards[0].record, RecordId::Node(hv2()));
    for stage in [Stage::Wanted, laid(), confirmed()] {
        assert_eq!(asked(&cluster(BOOT, Word::default(), Some(stage))), Ok(Records::default()));
    }
    let again = asked(&cluster(BOOT, Word::default(), Some(lifted()))).unwrap();
    assert_eq!(again.writes[0].value, Some(Block { number: 4, ..block(Stage::Wanted) }.into()));
    let lifting = Err(Unfit::Lifting { node: hv2() });
    let stage = Stage::Lifting { ground: Ground::Obeyed };
    assert_eq!(asked(&cluster(BOOT, Word::default(), Some(stage))), lifting);
    assert_eq!(asked(&cluster(OTHER_BOOT, Word::default(), Some(confirmed()))), lifting);
    let nobody: NodeName = "hv9".parse().unwrap();
    assert_eq!(ask(&open, &nobody, NOW.wall), Err(Unfit::Unknown { node: nobody.clone() }));
    let with = |of: NodeName, addresses: BTreeSet<IpAddr>| {
        let mut cluster = cluster(BOOT, Word::default(), None);
        let mut entry = (**cluster.nodes.get(&of).unwrap()).clone();
        entry.node.as_mut().unwrap().value.storage_addresses = addresses;
        cluster.nodes.insert(of, entry.into());
        asked(&cluster)
    };
    assert_eq!(with(hv2(), BTreeSet::new()), Err(Unfit::Nowhere { node: hv2() }));
    let shared = Unfit::Shared { node: hv2(), address: ip(2), other: hv1() };
    assert_eq!(with(hv1(), [ip(1), ip(2)].into()), Err(shared));
}

#[test]
fn only_what_is_confirmed_proves_anything_for_its_boot_and_its_pools() {
    let vms: PoolName = "vms".parse().unwrap();
    let single = Stage::Confirmed { epoch: 7, unproven: vec![vms.clone()] };
    let lifting = Stage::Lifting { ground: Ground::Obeyed };
    for (stage, proves) in [
        (Stage::Wanted, false),
        (laid(), false),
        (confirmed(), true),
        (single, false),
        (lifting, false),
        (lifted(), false),
    ] {
        let cluster = cluster(BOOT, Word::default(), Some(stage.clone()));
        let guard = Guard { record: RecordId::Fence(hv2()), expect: Expect::Version(Version(1)) };
        let guard = proves.then_some(guard);
        assert_eq!(proof(&cluster, &hv2(), BOOT, &vms), guard, "{stage:?}");
        assert_eq!(proof_of_address(&cluster, ip(2), &vms), guard, "{stage:?}");
        assert_eq!(proof(&cluster, &hv2(), OTHER_BOOT, &vms), None, "{stage:?}");
        assert_eq!(proof_of_address(&cluster, ip(3), &vms), None, "{stage:?}");
    }
}

/// `hv2` itself, whose storage shows this, with these guests.
fn node(own: &[IpAddr], blocked: &[IpAddr], guests: &[(crate::id::VmId, Option<u64>)]) -> Observed {
    let sight =
        Sight { own: own.iter().copied().collect(), blocked: blocked.iter().copied().collect(), epoch: 5 };
    let since = Some(BootTime(NOW.boot.0 - CALL_LATE_MAX.0));
    let fencing = Fencing { has_fence: true, sight: Some(sight), since, ..Fencing::default() };
    let here = Node { boot: BOOT, ..Node::default() };
    Observed { name: hv2(), node: here, fencing, ..observed(guests) }
}

#[test]
fn a_node_registers_where_it_is_seen_and_takes_nothing_back_within_a_boot() {
    let registered = |boot, addresses: &[u8]| Node {
        boot,
        storage_addresses: addresses.iter().map(|last| ip(*last)).collect(),
        ..Node::default()
    };
    let blind = Observed { fencing: Fencing::default(), ..node(&[], &[], &[]) };
    let cases = [
        (None, node(&[ip(2)], &[], &[]), vec![2]),
        (Some(registered(BOOT, &[3])), node(&[ip(2)], &[], &[]), vec![2, 3]),
        (Some(registered(OTHER_BOOT, &[3])), node(&[ip(2)], &[], &[]), vec![2]),
        (Some(registered(OTHER_BOOT, &[3])), blind.clone(), vec![3]),
        (None, blind, vec![]),
    ];
    for (known, observed, addresses) in cases {
        let wanted = own::registration(known.as_ref(), &observed);
        assert_eq!(wanted, registered(BOOT, &addresses), "{known:?}");
    }
    let many: Vec<IpAddr> = (0..=255).map(ip).collect();
    assert_eq!(
        own::registration(None, &node(&many, &[], &[])).storage_addresses.len(),
        STORAGE_ADDRESSES_MAX
    );
}

#[test]
fn an_address_that_moves_with_the_primary_role_is_not_registered() {
    let text = "node_id = 2\n[network.storage]\ndevice = 'ens4'\nnetwork = '10.0.0.0/24'\nfloating = '10.0.0.100'\n\
                [network.cluster]\ndevice = 'ens5'\nnetwork = '10.1.0.0/24'\nfloating = '10.1.0.100'";
    let own = crate::config::Config::parse(text, "hv2").unwrap().networks;
    let elsewhere = IpAddr::from([10, 1, 0, 100]);
    let mut primary = node(&[ip(2), ip(100), elsewhere], &[], &[]);
    assert_eq!(own.iter().filter(|network| network.floating.is_some()).count(), 2);
    primary.networks.wanted.own = own;
    let registered = own::registration(None, &primary).storage_addresses;
    assert_eq!(
        registered,
        [ip(2)].into(),
        "another node has the others tomorrow, and would be blocked with it"
    );
    let known = Node { boot: BOOT, storage_addresses: [ip(3)].into(), ..Node::default() };
    let registered = own::registration(Some(&known), &primary).storage_addresses;
    assert_eq!(registered, [ip(2), ip(3)].into(), "within a boot nothing is taken back");
}

#[test]
fn a_node_gives_its_word_when_nothing_there_can_write() {
    let volume = VolumeUse { path: "vms/a".parse().unwrap(), dev: "sda".into(), sharing: Sharing::Alone };
    let with = |stage, volumes: Vec<VolumeUse>| {
        let mut cluster = cluster(BOOT, Word::default(), Some(stage));
        let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
        entry.vm.value.volumes = volumes;
        cluster.vms.insert(VM, entry.into());
        cluster
    };
    let (ours, strange) = ((VM, Some(1)), (VM, None));
    let there = [ip(2)];
    let obeys = |cluster: &Cluster, observed: &Observed| own::word(cluster, observed).obeyed;
    for (stage, blocked, guests, volumes, obeyed) in [
        (laid(), &[][..], &[][..], vec![], Some(3)),
        (confirmed(), &there[..], &[][..], vec![], Some(3)),
        (laid(), &[][..], &[ours][..], vec![], Some(3)),
        (laid(), &[][..], &[ours][..], vec![volume.clone()], None),
        (laid(), &[][..], &[strange][..], vec![], None),
        (Stage::Wanted, &[][..], &[][..], vec![], None),
        (Stage::Wanted, &there[..], &[][..], vec![], Some(3)),
        (Stage::Lifting { ground: Ground::Obeyed }, &there[..], &[][..], vec![], None),
        (lifted(), &there[..], &[][..], vec![], None),
    ] {
        let cluster = with(stage.clone(), volumes.clone());
        let observed = node(&there, blocked, guests);
        let cut_off = own::is_cut_off(&cluster, &observed, &cluster.vms[&VM]);
        let what = format!("{stage:?}, blocked {blocked:?}, guests {guests:?}");
        assert_eq!(obeys(&cluster, &observed), obeyed, "{what}");
        assert_eq!(
            own::bar(&cluster, &observed).is_some(),
            stage != lifted() || !blocked.is_empty(),
            "{what}"
        );
        assert_eq!(cut_off, !volumes.is_empty(), "{what}");
        assert_eq!(own::word(&cluster, &observed).blocked, blocked, "{what}");
    }
    let mut unheard = node(&there, &[], &[]);
    unheard.fencing.silent = Some("it timed out".into());
    let said = own::word(&with(lifted(), Vec::new()), &unheard);
    assert_eq!(said.silent.as_deref(), Some("it timed out"));
    let cluster = with(laid(), Vec::new());
    let early = Observed { guests_at: BootTime(NOW.boot.0 - 1), ..node(&there, &[], &[]) };
    assert_eq!(obeys(&cluster, &early), None, "a call to the hypervisor may be under way");
    let silent = Observed { guests: Guests::Unknown { why: "it hangs".into() }, ..node(&there, &[], &[]) };
    assert_eq!(obeys(&cluster, &silent), None, "nobody knows what runs");
    let mut next = node(&there, &there, &[]);
    next.node.boot = OTHER_BOOT;
    assert_eq!(obeys(&cluster, &next), None, "another boot is blocked");
    assert!(own::bar(&cluster, &next).is_some());
}

/// What is told of a cluster in which `hv1` and `hv2` run and have registered their addresses.
fn told(change: impl FnOnce(&mut Cluster)) -> Vec<String> {
    let mut cluster = cluster(BOOT, Word::default(), None);
    let status = NodeStatus { daemon: DaemonState::Run, boot: BOOT, ..NodeStatus::default() };
    let presence = crate::node::Presence { boot: BOOT, restart_planned: None };
    for (node, address) in [(hv1(), ip(1)), (hv2(), ip(2))] {
        let mut entry = (**cluster.nodes.get(&node).unwrap()).clone();
        entry.node.as_mut().unwrap().value.storage_addresses = [address].into();
        entry.status = Some(at(status.clone()));
        entry.presence = Some(at(presence.clone()));
        cluster.nodes.insert(node, entry.into());
    }
    let fence = Some(FenceFacts { clients: [ip(1), ip(2)].into(), strays: Vec::new() });
    cluster.storage_facts = Some(at(StorageFacts { fence, ..StorageFacts::default() }).into());
    change(&mut cluster);
    let text = |trouble| match trouble {
        Trouble::Blocked { node, text } | Trouble::Unfenceable { node, text } => format!("{node}: {text}"),
        Trouble::Strangers { text } | Trouble::Slow { text } => text,
    };
    troubles(&cluster).into_iter().map(text).collect()
}

fn facts(cluster: &mut Cluster, change: impl FnOnce(&mut StorageFacts)) {
    let mut facts = cluster.storage_facts.as_deref().unwrap().value.clone();
    change(&mut facts);
    cluster.storage_facts = Some(at(facts).into());
}

fn entry(cluster: &mut Cluster, change: impl FnOnce(&mut Versioned<Node>, &mut NodeStatus)) {
    let mut entry = (**cluster.nodes.get(&hv2()).unwrap()).clone();
    change(entry.node.as_mut().unwrap(), &mut entry.status.as_mut().unwrap().value);
    cluster.nodes.insert(hv2(), entry.into());
}

#[test]
fn what_nodes_registered_is_compared_with_what_the_storage_shows() {
    let osd = |address: &str| Osd {
        id: 4,
        uuid: String::new(),
        up: true,
        r#in: true,
        address: address.into(),
        class: String::new(),
        host: "hv2".into(),
        figures: OsdFigures::default(),
    };
    let osds = |address: &str| {
        let osds = [(4, osd(address))].into();
        Some(at(OsdFacts { at: NOW.wall, osds }).into())
    };
    let one = |texts: Vec<String>, part: &str| {
        assert!(texts.len() == 1 && texts[0].contains(part), "{part}: {texts:?}");
    };
    assert_eq!(told(|_| {}), Vec::<String>::new());
    assert_eq!(told(|cluster| cluster.osd_facts = osds("10.0.0.2")), Vec::<String>::new());
    one(
        told(|cluster| cluster.osd_facts = osds("10.0.0.7")),
        "hv2: the storage sees it from where it did not register (osd.4 at 10.0.0.7)",
    );
    let strange = |cluster: &mut Cluster| {
        facts(cluster, |facts| facts.fence.as_mut().unwrap().clients.extend([ip(9)]));
    };
    one(told(strange), "from 10.0.0.9, which no node has registered");
    let silent = |cluster: &mut Cluster| {
        entry(cluster, |node, _| node.value.storage_addresses.clear());
        facts(cluster, |facts| facts.fence.as_mut().unwrap().clients.clear());
    };
    one(told(silent), "hv2: it has registered no storage address");
    let slow = |cluster: &mut Cluster| {
        let stray = "osd.0 has mon_client_ping_interval 10 and not 1";
        facts(cluster, |facts| facts.fence.as_mut().unwrap().strays = vec![stray.into(); 7]);
    };
    one(told(slow), "not 1 and 2 more");
    // Where nobody can be blocked, nobody has to register.
    let directory = |cluster: &mut Cluster| {
        strange(cluster);
        facts(cluster, |facts| facts.fence = None);
        entry(cluster, |node, _| node.value.storage_addresses.clear());
    };
    assert_eq!(told(directory), Vec::<String>::new());
}

#[test]
fn a_block_is_told_with_how_far_it_is() {
    for (stage, part) in [
        (Stage::Wanted, "is to be blocked"),
        (laid(), "have not said yet"),
        (
            Stage::Laid { epoch: 7, awaited: vec![1, 4] },
            "which osd.1, osd.4 did not confirm: there is no proof yet",
        ),
        (confirmed(), "writes nothing there; it is unblocked when it has been started anew"),
        (Stage::Lifting { ground: Ground::Obeyed }, "is being unblocked"),
    ] {
        let texts = told(|cluster| drop(cluster.fences.insert(hv2(), at(block(stage.clone())).into())));
        assert!(texts.len() == 1 && texts[0].contains(part), "{stage:?}: {texts:?}");
    }
    let by_hand = |cluster: &mut Cluster| entry(cluster, |_, status| status.storage.blocked = vec![ip(2)]);
    let texts = told(by_hand);
    assert!(
        texts.len() == 1 && texts[0].contains("10.0.0.2 is blocked at the storage, and not by"),
        "{texts:?}"
    );
}

#[test]
fn a_vm_is_barred_once_on_a_node_that_is_blocked_and_a_guest_that_is_cut_off_is_ended() {
    let volume = VolumeUse { path: "vms/a".parse().unwrap(), dev: "sda".into(), sharing: Sharing::Alone };
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
    entry.vm.value.volumes = vec![volume];
    cluster.vms.insert(VM, entry.into());
    cluster.fences.insert(hv1(), at(block(laid())).into());
    let step = |cluster: &Cluster, guests: &[_]| {
        let plan = crate::vm::decide::decide(cluster, &observed(guests), VM, NOW);
        plan.steps.into_iter().next()
    };
    let ended = step(&cluster, &[(VM, Some(1))]).unwrap();
    assert_eq!(ended.action, Action::StopGuest { vm: VM, incarnation: 1 });
    assert_eq!(ended.reason, Reason::Fence(FenceReason::CutOff));
    let barred = step(&cluster, &[]).unwrap();
    assert_eq!(barred.reason, Reason::Fence(FenceReason::Barred));
    let Action::Record(records) = barred.action else { panic!("{barred:?}") };
    let Some(Record::VmFact(told)) = records.writes[0].value.clone() else { panic!("{records:?}") };
    assert_eq!((told.phase, told.incarnation), (Phase::Stopped, 1), "no incarnation is spent");
    let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
    entry.fact = Some(at(told));
    cluster.vms.insert(VM, entry.into());
    assert_eq!(step(&cluster, &[]), None, "it is told once");
    cluster.fences.insert(hv1(), at(block(lifted())).into());
    let later = crate::time::Now { boot: BootTime(NOW.boot.0 + 600_000), ..NOW };
    let plan = crate::vm::decide::decide(&cluster, &observed(&[]), VM, later);
    assert_eq!(plan.steps[0].reason, Reason::FailureOver);
}

#[test]
fn a_start_rests_on_the_record_that_its_node_is_not_blocked() {
    let starting = fact(Phase::Starting);
    let mut cluster = cluster_with_vm(Power::Start, Some(starting));
    let observed = Observed { taken: [(VM, 1)].into(), ..observed(&[]) };
    let guard = |cluster: &Cluster| {
        let plan = crate::vm::decide::decide(cluster, &observed, VM, NOW);
        assert!(matches!(plan.steps[0].action, Action::StartGuest { .. }), "{plan:?}");
        let fence = plan.steps[0].guards.iter().find(|guard| guard.record == RecordId::Fence(hv1()));
        fence.map(|guard| guard.expect)
    };
    assert_eq!(guard(&cluster), Some(Expect::Absent));
    cluster.fences.insert(hv1(), at(block(lifted())).into());
    assert_eq!(guard(&cluster), Some(Expect::Version(Version(1))));
}
