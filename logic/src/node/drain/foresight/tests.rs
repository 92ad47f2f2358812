//! What is foreseen is what happens, on any cluster; and ten placements at once do not pile up.

use proptest::prelude::*;

use super::*;
use crate::node::drain::tests::{arrive, wished};
use crate::node::place::tests::{add, name};
use crate::testing::{at, cluster_with_vm, fact};
use crate::vm::{MigrationMethod, Phase, Power, Selector, Vm, VmFact, Wish};

/// What one VM of a random cluster is like.
#[derive(Clone, Debug)]
struct Like {
    node: usize,
    memory_mib: u64,
    vcpus: u32,
    power: Power,
    selector: Selector,
    method: MigrationMethod,
    limit: Vec<usize>,
    home: Option<usize>,
}

fn like(nodes: usize) -> impl Strategy<Value = Like> {
    let power = prop_oneof![3 => Just(Power::Start), 1 => Just(Power::Stop), 1 => Just(Power::Disable)];
    let selector = prop_oneof![
        Just(Selector::None),
        Just(Selector::MemProv),
        Just(Selector::Load),
        Just(Selector::Vcpus),
        Just(Selector::Vms)
    ];
    let method = prop_oneof![
        4 => Just(MigrationMethod::None),
        1 => Just(MigrationMethod::Live),
        1 => Just(MigrationMethod::Shutdown)
    ];
    let limit = proptest::collection::vec(0..nodes, 0..3);
    let home = proptest::option::weighted(0.2, 0..nodes);
    (0..nodes, 256..5000_u64, 1..5_u32, power, selector, method, limit, home).prop_map(
        |(node, memory_mib, vcpus, power, selector, method, limit, home)| Like {
            node,
            memory_mib,
            vcpus,
            power,
            selector,
            method,
            limit,
            home,
        },
    )
}

fn hv(number: usize) -> NodeName {
    name(&format!("hv{}", number + 1))
}

/// A cluster in which every wish about these VMs is fulfilled.
fn made(nodes: usize, likes: &[Like]) -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, None);
    let plain = cluster.vms.values().next().expect("there is one").vm.value.clone();
    cluster.vms.clear();
    for number in 0..nodes {
        add(&mut cluster, hv(number).as_str(), 0.25 * f64::from(u8::try_from(number).unwrap()));
    }
    for (number, like) in (1_u128..).zip(likes) {
        let node = hv(like.node);
        let mut vm = Vm {
            node: node.clone(),
            last_node: like.home.map(hv).filter(|home| *home != node),
            wish: Wish { power: like.power, ..plain.wish },
            memory_mib: like.memory_mib,
            vcpus: like.vcpus,
            ..plain.clone()
        };
        vm.meta.node_selector = like.selector;
        vm.meta.migration_method = like.method;
        vm.meta.node_limit = like.limit.iter().map(|number| hv(*number)).collect();
        let phase = if like.power == Power::Start { Phase::Running } else { Phase::Stopped };
        let word = VmFact { node, ..fact(phase) };
        let id = VmId(uuid::Uuid::from_u128(number));
        cluster.vms.insert(id, VmEntry { fact: Some(at(word)), ..entry(vm) }.into());
    }
    cluster
}

fn entry(vm: Vm) -> VmEntry {
    let cluster = cluster_with_vm(Power::Start, None);
    let entry = cluster.vms.values().next().expect("there is one");
    VmEntry { vm: at(vm), fact: None, ..(**entry).clone() }
}

/// Where each VM is, and whether it was parked.
fn standing(cluster: &Cluster) -> Vec<(VmId, NodeName, bool)> {
    let standing = |(id, entry): (&VmId, &std::sync::Arc<VmEntry>)| {
        (*id, entry.vm.value.node.clone(), entry.vm.value.parked)
    };
    cluster.vms.iter().map(standing).collect()
}

/// The same, as it was foreseen.
fn expected(cluster: &Cluster, foreseen: &[Foreseen]) -> Vec<(VmId, NodeName, bool)> {
    let mut expected = standing(cluster);
    for Foreseen { vm, fate, .. } in foreseen {
        let stands = expected.iter_mut().find(|(id, ..)| id == vm).expect("it is one of them");
        match fate {
            Fate::Moves { to, .. } => stands.1 = to.clone(),
            Fate::Parks { .. } => stands.2 = true,
            Fate::Unparks => stands.2 = false,
            Fate::Stays { .. } => {}
        }
    }
    expected
}

fn come_to_rest(cluster: &mut Cluster, nodes: usize) {
    while (0..nodes).map(|number| arrive(cluster, hv(number).as_str()).len()).sum::<usize>() > 0 {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_flush_does_what_was_foreseen(nodes in 1_usize..6, likes in proptest::collection::vec(like(6), 0..24)) {
        let likes: Vec<Like> = likes.into_iter().map(|like| within(like, nodes)).collect();
        let cluster = made(nodes, &likes);
        let foreseen = foresee(&cluster, &hv(0), Duty::Flushed);
        let expected = expected(&cluster, &foreseen);
        let mut cluster = wished(cluster, Duty::Flushed);
        come_to_rest(&mut cluster, nodes);
        prop_assert_eq!(standing(&cluster), expected);
        let left = foresee(&cluster, &hv(0), Duty::Flushed);
        let stays = left.iter().all(|one| matches!(one.fate, Fate::Stays { .. }));
        prop_assert!(stays, "{:?}", left);
    }

    #[test]
    fn a_ready_does_what_was_foreseen_where_its_memory_suffices(nodes in 1_usize..6, likes in proptest::collection::vec(like(6), 0..8)) {
        let small = |like: Like| Like { memory_mib: like.memory_mib % 512 + 1, ..like };
        let likes: Vec<Like> = likes.into_iter().map(|like| small(within(like, nodes))).collect();
        let mut cluster = wished(made(nodes, &likes), Duty::Flushed);
        come_to_rest(&mut cluster, nodes);
        let foreseen = foresee(&cluster, &hv(0), Duty::Ready);
        let expected = expected(&cluster, &foreseen);
        let mut cluster = wished(cluster, Duty::Ready);
        come_to_rest(&mut cluster, nodes);
        prop_assert_eq!(standing(&cluster), expected);
    }
}

fn within(like: Like, nodes: usize) -> Like {
    let limit = like.limit.iter().map(|number| number % nodes).collect();
    Like { node: like.node % nodes, home: like.home.map(|home| home % nodes), limit, ..like }
}

#[test]
fn sums_that_are_kept_up_are_those_that_are_counted_anew() {
    let likes: Vec<Like> = (0..9)
        .map(|number: usize| Like {
            node: number % 3,
            memory_mib: 100 + number as u64,
            vcpus: 1,
            power: if number.is_multiple_of(4) { Power::Stop } else { Power::Start },
            selector: Selector::Mem,
            method: MigrationMethod::None,
            limit: Vec::new(),
            home: None,
        })
        .collect();
    let mut cluster = made(3, &likes);
    let mut promises = Promises::of(&cluster);
    for (id, entry) in cluster.vms.clone() {
        promises.move_to(&cluster, id, &entry, &hv(2));
        let mut moved = (*entry).clone();
        moved.vm.value.node = hv(2);
        cluster.vms.insert(id, moved.into());
    }
    let counted = Promises::of(&cluster);
    let of = |promises: &Promises| format!("{:?}", promises.of_node(&hv(2)));
    assert_eq!(of(&promises), of(&counted));
}

#[test]
fn ten_vms_placed_at_once_do_not_pile_up_by_any_selector() {
    for selector in
        [Selector::None, Selector::Mem, Selector::MemProv, Selector::Load, Selector::Vcpus, Selector::Vms]
    {
        for power in [Power::Start, Power::Stop] {
            let mut cluster = made(5, &[]);
            for node in 0..5 {
                add(&mut cluster, hv(node).as_str(), 0.1);
            }
            let mut taken = std::collections::BTreeMap::<NodeName, u32>::new();
            let plain =
                cluster_with_vm(power, None).vms.values().next().expect("there is one").vm.value.clone();
            for number in 1..=10_u128 {
                let id = VmId(uuid::Uuid::from_u128(number));
                let mut vm = plain.clone();
                vm.meta.node_selector = selector;
                let to =
                    crate::node::place::place(&cluster, id, &vm, Home::Counts).chosen.expect("there is room");
                *taken.entry(to.clone()).or_default() += 1;
                cluster.vms.insert(id, entry(Vm { node: to, ..vm }).into());
            }
            assert!(taken.values().all(|count| *count == 2), "{selector:?} {power:?}: {taken:?}");
        }
    }
}
