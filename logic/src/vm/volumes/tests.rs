//! Volumes and the VMs that have them.

use super::*;
use crate::fence::{Block, Stage};
use crate::limits::SECRET_INTERVAL;
use crate::observed::{Secret, StorageSight};
use crate::record::RecordId;
use crate::testing::{BOOT, NOW, VM, at, cluster_with_vm, observed, written_vm, xml};
use crate::vm::accept::{Define, Restart, define, modify};
use crate::vm::{Phase, Power};

fn with_disk(xml: &str, volume: &str) -> String {
    let disk = format!(
        "<devices><disk type='network'><source protocol='rbd' name='{volume}'/><target dev='sda'/></disk></devices>"
    );
    xml.replace("</domain>", &format!("{disk}</domain>"))
}

#[test]
fn the_users_of_a_volume_follow_the_documents_whether_the_vms_run_or_not() {
    for fact in [None, Some(crate::testing::fact(Phase::Running))] {
        let mut cluster = cluster_with_vm(Power::Start, fact);
        let volume = |name: &str| name.parse::<VolumePath>().unwrap();
        let records = modify(&cluster, VM, &with_disk(&xml("web1"), "vms/a"), Restart::No, NOW.wall).unwrap();
        let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
        entry.vm.value = written_vm(&records);
        cluster.vms.insert(VM, entry.into());
        assert_eq!(users_of(&cluster, &volume("vms/a")), ["web1".parse().unwrap()]);
        assert!(users_of(&cluster, &volume("vms/b")).is_empty());
        assert!(users_of(&cluster, &volume("fast/a")).is_empty());
    }
}

#[test]
fn a_definition_with_a_disk_that_can_be_no_volume_is_refused() {
    let request = Define { xml: with_disk(&xml("web1"), "vms/../a"), ..Define::default() };
    let refusal = define(&crate::testing::cluster(), &request, NOW.wall).unwrap_err().to_string();
    assert!(refusal.contains("the disk sda is the volume \"vms/../a\""), "{refusal}");
}

const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const UNPROVEN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));

fn client(who: &str, place: Place) -> Client {
    Client { who: who.into(), place }
}

fn lock(holder: &str, place: Place) -> HeldLock {
    HeldLock { volume: "vms/a".parse().unwrap(), holder: holder.into(), cookie: "auto 1".into(), place }
}

fn look(incarnation: u64, clients: Vec<Client>, locks: Vec<HeldLock>) -> Look {
    let path = "vms/a".parse().unwrap();
    let volumes = vec![SeenVolume { path, presence: Presence::There, clients, locks }];
    Look { incarnation, at: NOW.boot, volumes }
}

/// A cluster in which the fence of one node is proven, for pools with copies, and that of another is not.
fn fenced() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, None);
    let unproven = vec!["single".parse().unwrap()];
    for (node, address, stage) in [
        ("hv2", OURS, Stage::Confirmed { epoch: 7, unproven }),
        ("hv3", UNPROVEN, Stage::Laid { epoch: 8, awaited: vec![1] }),
    ] {
        let block = Block { number: 1, boot: BOOT, addresses: [address].into(), since: NOW.wall, stage };
        cluster.fences.insert(node.parse().unwrap(), at(block).into());
    }
    cluster
}

/// What is done before incarnation 2 is started on the volume `vms/a`.
fn judge(sharing: Sharing, start: Option<Look>, run: Option<Look>) -> Verdict {
    let mut vm = cluster_with_vm(Power::Start, None).vms[&VM].vm.value.clone();
    vm.volumes = vec![crate::vm::domain::disks::VolumeUse {
        path: "vms/a".parse().unwrap(),
        dev: "sda".into(),
        sharing,
    }];
    let looks = [(Occasion::Start, start), (Occasion::Run, run)];
    let looks = looks.into_iter().filter_map(|(occasion, look)| Some(((VM, occasion), look?)));
    verdict(&fenced(), (VM, &vm), 2, &looks.collect(), NOW.boot)
}

/// The cluster with a VM that has the volume `vms/a`.
fn cluster_with_volume() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, None);
    let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
    let path = "vms/a".parse().unwrap();
    entry.vm.value.volumes =
        vec![crate::vm::domain::disks::VolumeUse { path, dev: "sda".into(), sharing: Sharing::Alone }];
    cluster.vms.insert(VM, entry.into());
    cluster
}

#[test]
fn each_holder_of_a_volume_is_judged_by_where_and_whether_it_is() {
    let (here, there, blocked) = (Place::Here, Place::Elsewhere(OURS), Place::Blocked(OURS));
    let (lagging, strange) = (Place::Blocked(UNPROVEN), Place::Blocked("10.0.0.9".parse().unwrap()));
    let running = |who: &str| Some(look(1, vec![client(who, Place::Here)], Vec::new()));
    let (one, two) = (|place| vec![client("client.1", place)], |place| vec![lock("client.1", place)]);
    for (what, clients, locks, run, outcome) in [
        ("nobody", vec![], vec![], None, "clear"),
        ("one that is here", one(here), vec![], None, "open on this node already, by client.1"),
        ("one that is here with its lock", one(here), two(here), None, "open on this node already"),
        ("one that was ours and is gone", one(here), two(here), running("client.1"), "broken"),
        (
            "one that is here beside ours",
            one(here),
            two(here),
            running("client.9"),
            "open on this node already",
        ),
        ("one elsewhere", one(there), two(there), None, "open at 10.0.0.2, by client.1"),
        (
            "one elsewhere with the name of ours",
            one(there),
            two(there),
            running("client.2"),
            "open at 10.0.0.2",
        ),
        ("one that is blocked", one(blocked), two(blocked), None, "broken"),
        ("a lock of nobody, here", vec![], two(here), None, "broken"),
        ("a lock of nobody, blocked", vec![], two(blocked), None, "broken"),
        ("one that is blocked without proof", one(lagging), two(lagging), None, "keeps to it is not proven"),
        ("a lock of nobody, blocked without proof", vec![], two(lagging), None, "release the lock with"),
        ("a lock of nobody, blocked by a stranger", vec![], two(strange), None, "keeps to it is not proven"),
        ("a lock of nobody, elsewhere", vec![], two(there), None, "locked by client.1 at 10.0.0.2"),
    ] {
        let start = Some(look(2, clients, locks.clone()));
        match judge(Sharing::Alone, start.clone(), run) {
            Verdict::Clear => assert_eq!(outcome, "clear", "{what}"),
            Verdict::Break(broken) => assert_eq!((outcome, broken), ("broken", locks), "{what}"),
            Verdict::Bar(why) => assert!(why.contains(outcome), "{what}: {why}"),
            Verdict::Look => panic!("{what} was looked at"),
        }
        assert_eq!(judge(Sharing::Shared, start, None), Verdict::Clear, "{what} of a shared volume");
    }
}

#[test]
fn a_proof_counts_for_its_pool_and_what_is_done_rests_on_it() {
    let cluster = fenced();
    let of = |pool: &str| proof_of_address(&cluster, OURS, &pool.parse().unwrap());
    assert_eq!(of("vms").map(|guard| guard.record), Some(RecordId::Fence("hv2".parse().unwrap())));
    assert_eq!(of("single"), None);
    let mut seen =
        look(2, vec![client("client.1", Place::Blocked(OURS))], vec![lock("client.1", Place::Blocked(OURS))]);
    seen.volumes[0].clients.push(client("client.2", Place::Blocked(UNPROVEN)));
    let looks = [((VM, Occasion::Start), seen)].into();
    assert_eq!(proofs(&cluster, VM, &looks), of("vms").into_iter().collect::<Vec<_>>());
}

#[test]
fn a_look_counts_for_its_incarnation_and_for_a_moment() {
    let clear = look(2, Vec::new(), Vec::new());
    assert_eq!(judge(Sharing::Alone, Some(clear.clone()), None), Verdict::Clear);
    assert_eq!(judge(Sharing::Alone, None, None), Verdict::Look);
    assert_eq!(judge(Sharing::Alone, Some(Look { incarnation: 1, ..clear.clone() }), None), Verdict::Look);
    let old = BootTime(NOW.boot.0 - VOLUMES_LOOK_AGE_MAX.0);
    assert_eq!(judge(Sharing::Alone, Some(Look { at: old, ..clear.clone() }), None), Verdict::Look);
    // The document has another volume since.
    assert_eq!(judge(Sharing::Alone, Some(Look { volumes: Vec::new(), ..clear }), None), Verdict::Look);
}

#[test]
fn the_clients_of_this_incarnation_are_not_gone() {
    let held = look(2, vec![client("client.1", Place::Here)], vec![lock("client.1", Place::Here)]);
    assert!(matches!(judge(Sharing::Alone, Some(held.clone()), Some(held)), Verdict::Bar(_)));
}

#[test]
fn a_volume_that_is_missing_is_named_with_what_to_do() {
    let mut missing = look(2, Vec::new(), Vec::new());
    missing.volumes[0].presence = Presence::Missing;
    for sharing in [Sharing::Alone, Sharing::Shared] {
        let Verdict::Bar(why) = judge(sharing, Some(missing.clone()), None) else {
            panic!("it is not there")
        };
        assert!(why.contains("vms/a does not exist") && why.contains("pvc storage volume add"), "{why}");
    }
}

#[test]
fn the_key_is_brought_at_once_and_again_when_it_is_due() {
    let with = |secret| crate::observed::Observed {
        storage: Some(StorageSight { looks: Looks::default(), secret }),
        ..observed(&[])
    };
    let kept = |at: u64| Secret::Needed { kept_at: Some(BootTime(at)) };
    let (now, interval) = (NOW.boot.0, SECRET_INTERVAL.0);
    for (secret, brought, again) in [
        (Secret::NotNeeded, false, None),
        (Secret::Needed { kept_at: None }, true, None),
        (kept(now - interval), true, None),
        (kept(now - interval + 1), false, Some(BootTime(now + 1))),
    ] {
        let plan = secret::decide(&cluster_with_volume(), &with(secret), NOW);
        assert_eq!((plan.steps.len() == 1, plan.look_again), (brought, again), "{secret:?}");
    }
    let nothing = crate::plan::Plan::default();
    assert_eq!(secret::decide(&cluster_with_volume(), &observed(&[]), NOW), nothing);
    let no_volume = cluster_with_vm(Power::Start, None);
    assert_eq!(secret::decide(&no_volume, &with(Secret::Needed { kept_at: None }), NOW), nothing);
}
