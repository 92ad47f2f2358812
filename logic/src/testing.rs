//! Small clusters for the tests of this crate.

use crate::cluster::{Cluster, ClusterSettings, NodeEntry, VmEntry};
use crate::config::Timers;
use crate::id::{NodeName, VmId};
use crate::network::Networks;
use crate::node::{BootId, Node, Role};
use crate::observed::{Activity, Gauged, Guest, Guests, Life, Observed};
use crate::record::{Record, Records, Version, Versioned};
use crate::time::{BootTime, Now, WallTime};
use crate::vm::{Meta, Phase, Power, TagMark, Vm, VmFact, Wish};

pub(crate) const NOW: Now = Now { boot: BootTime(100_000), wall: WallTime(1_700_000_000_000) };
pub(crate) const VM: VmId = VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d"));
pub(crate) const BOOT: BootId = BootId(uuid::uuid!("00000000-0000-4000-8000-000000000001"));

pub(crate) fn hv1() -> NodeName {
    "hv1".parse().unwrap()
}

pub(crate) fn at<T>(value: T) -> Versioned<T> {
    Versioned { version: Version(1), value }
}

pub(crate) fn xml(name: &str) -> String {
    format!(
        "<domain><name>{name}</name><uuid>{VM}</uuid><memory unit='MiB'>1024</memory><vcpu>1</vcpu></domain>"
    )
}

/// An initialised cluster of one node with 8 GiB and 4 CPUs.
pub(crate) fn cluster() -> Cluster {
    let node = Node {
        boot: BOOT,
        role: Role::Coordinator,
        version: "0".into(),
        cpu_count: 4,
        memory_total_mib: 8192,
        kernel: "6".into(),
        os: "GNU/Linux".into(),
        arch: "x86_64".into(),
        ..Node::default()
    };
    let mut cluster =
        Cluster { settings: Some(at(ClusterSettings { initialised: NOW.wall })), ..Cluster::default() };
    cluster.nodes.insert(hv1(), NodeEntry { node: Some(at(node)), ..NodeEntry::default() }.into());
    cluster
}

pub(crate) fn fact(phase: Phase) -> VmFact {
    VmFact { phase, incarnation: 1, wish_done: 1, ..VmFact::new(hv1(), BOOT) }
}

/// The cluster with a VM `web1` whose wish has serial 1.
pub(crate) fn cluster_with_vm(power: Power, fact: Option<VmFact>) -> Cluster {
    let mut cluster = cluster();
    let vm = Vm {
        name: "web1".parse().unwrap(),
        description: String::new(),
        node: hv1(),
        last_node: None,
        transfer: None,
        away_since: 0,
        parked: false,
        wish: Wish { power, serial: 1, at: NOW.wall },
        meta: Meta::default(),
        tags: [("kept".parse().unwrap(), TagMark { protected: true })].into(),
        memory_mib: 1024,
        vcpus: 1,
        bound: None,
        links: Default::default(),
        removal: None,
        renaming: None,
        volumes: Vec::new(),
    };
    cluster.vm_names.insert(vm.name.clone(), at(VM));
    let entry =
        VmEntry { vm: at(vm), fact: fact.map(at), reception: None, xml: Some(at(xml("web1").into())) };
    cluster.vms.insert(VM, entry.into());
    cluster
}

/// The VM that a set of writes leaves behind.
pub(crate) fn written_vm(records: &Records) -> Vm {
    let mut vms = records.writes.iter().filter_map(|write| match &write.value {
        Some(Record::Vm(vm)) => Some(vm.clone()),
        _ => None,
    });
    vms.next().expect("a VM is written")
}

/// The machine `hv1`, running, with the given guests: a VM and the mark it carries.
pub(crate) fn observed(guests: &[(VmId, Option<u64>)]) -> Observed {
    let guest = |incarnation| Guest {
        name: "web1".into(),
        activity: Activity::Running,
        incarnation,
        gone_since: None,
    };
    Observed {
        name: hv1(),
        node: cluster().node(&hv1()).expect("the test cluster has this node").clone(),
        timers: Timers::default(),
        guests: Guests::Seen(guests.iter().map(|(vm, mark)| (*vm, guest(*mark))).collect()),
        guests_at: NOW.boot,
        gauged: Gauged { at: Some(NOW.boot), ..Gauged::default() },
        networks: Networks::none(),
        failures: Default::default(),
        presses: Default::default(),
        taken: Default::default(),
        stages: Default::default(),
        uploads: Default::default(),
        transfers: Default::default(),
        revived: Default::default(),
        measured: Default::default(),
        swept: Default::default(),
        announced: None,
        keepalives: 0,
        keepalive_at: None,
        lease_until: None,
        moving: Default::default(),
        life: Life::Going,
        stopping_since: None,
        role_since: None,
        holder_since: None,
        announcements: Default::default(),
        asked_again: false,
        under_way: 0,
        storage: None,
        fencing: Default::default(),
    }
}
