//! A placement beyond what a node has is found out, whether it lacks memory or processors, and nothing else is.

use logic::cluster::NodeEntry;
use logic::node::Node;
use logic::record::{Version, Versioned};
use logic::time::WallTime;
use logic::vm::{Meta, Wish};

use super::*;

const VM: VmId = VmId(uuid::Uuid::from_u128(1));
const OTHER: VmId = VmId(uuid::Uuid::from_u128(2));

fn name(text: &str) -> NodeName {
    text.parse().expect("it is a name")
}

fn at<T>(value: T) -> Versioned<T> {
    Versioned { version: Version(1), value }
}

/// A VM that is to run.
fn vm(node: &str, memory_mib: u64, vcpus: u32) -> Vm {
    Vm {
        name: "vm1".parse().expect("it is a name"),
        description: String::new(),
        node: name(node),
        last_node: None,
        transfer: None,
        away_since: 0,
        parked: false,
        wish: Wish { power: Power::Start, serial: 1, at: WallTime(0) },
        meta: Meta::default(),
        tags: [].into(),
        memory_mib,
        vcpus,
        bound: None,
        removal: None,
        renaming: None,
        volumes: Vec::new(),
        links: Default::default(),
    }
}

fn node(cluster: &mut Cluster, node: &str, memory_total_mib: u64, cpu_count: u32) {
    let registered = Some(at(Node { memory_total_mib, cpu_count, ..Node::default() }));
    cluster.nodes.insert(name(node), NodeEntry { node: registered, ..NodeEntry::default() }.into());
}

/// What is said of a VM that goes from `hv1` to `hv2`, which has 2 GiB, of which 1 GiB is promised, and 2 processors. The
/// move was decided on at 100.
fn judged(memory_mib: u64, vcpus: u32, changed_at: u64) -> Result<(), String> {
    let mut cluster = Cluster::default();
    for (id, one) in [(VM, vm("hv1", memory_mib, vcpus)), (OTHER, vm("hv2", 1024, 2))] {
        let entry = VmEntry { vm: at(one), fact: None, reception: None, xml: None };
        cluster.vms.insert(id, entry.into());
    }
    node(&mut cluster, "hv1", 8192, 8);
    node(&mut cluster, "hv2", 8192, 8);
    let mut capacity = Capacity::default();
    capacity.registered(&cluster, BootTime(1));
    node(&mut cluster, "hv2", 2048, 2);
    capacity.registered(&cluster, BootTime(changed_at));
    let moved = Vm { node: name("hv2"), ..vm("hv1", memory_mib, vcpus) };
    capacity.placed(&cluster, VM, &moved, BootTime(100))
}

#[test]
fn a_vm_is_placed_only_where_its_memory_and_its_vcpus_find_room() {
    assert_eq!(judged(1024, 2, 50), Ok(()), "processors are shared, and memory is not");
    let memory = judged(1025, 2, 50).expect_err("there are 1024 MiB left");
    assert!(memory.contains("1025 MiB and goes to hv2, where 1024 of 2048 MiB"), "{memory}");
    let vcpus = judged(1024, 3, 50).expect_err("there are two processors");
    assert!(vcpus.contains("3 vCPUs and goes to hv2, which has 2"), "{vcpus}");
    assert_eq!(judged(4096, 4, 100), Ok(()), "what the node became after the decision counts against nobody");
}
