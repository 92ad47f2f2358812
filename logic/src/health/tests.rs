//! Every reason for a cluster to be degraded, alone.

use super::*;
use crate::cluster::{Maintenance, VmEntry};
use crate::node::drain::{Duty, NodeWish};
use crate::node::place::tests::{add, name};
use crate::node::{Foreign, NodeStatus};
use crate::primary::Primary;
use crate::testing::{NOW, VM, at, cluster_with_vm, fact};
use crate::vm::{Failure, Phase, VmFact};

/// Three nodes that run, with a VM of 1 GiB that runs on the first.
fn cluster() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    for node in ["hv1", "hv2", "hv3"] {
        add(&mut cluster, node, 0.0);
    }
    cluster
}

fn with_node(node: &str, change: impl FnOnce(&mut NodeEntry)) -> Cluster {
    let mut cluster = cluster();
    let mut entry = (*cluster.nodes[&name(node)]).clone();
    change(&mut entry);
    cluster.nodes.insert(name(node), entry.into());
    cluster
}

fn with_status(change: impl FnOnce(&mut NodeStatus)) -> Cluster {
    with_node("hv3", |entry| change(&mut entry.status.as_mut().expect("it has one").value))
}

fn with_vm(change: impl FnOnce(&mut VmEntry)) -> Cluster {
    let mut cluster = cluster();
    let mut entry = (*cluster.vms[&VM]).clone();
    change(&mut entry);
    cluster.vms.insert(VM, entry.into());
    cluster
}

/// The ids of what is wrong, with the cluster's health and that of `hv3`.
fn found(cluster: &Cluster) -> (Vec<String>, Option<i32>, i32) {
    let troubles = troubles(cluster, &[]);
    let ids = troubles.iter().map(|trouble| trouble.id.clone()).collect();
    (ids, of_the_cluster(cluster, &troubles), of_the_node(&name("hv3"), &troubles))
}

fn expect(cluster: &Cluster, ids: &[&str], health: i32, of_hv3: i32) {
    let expected: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(found(cluster), (expected, Some(health), of_hv3));
}

#[test]
fn a_cluster_without_troubles_is_whole() {
    expect(&cluster(), &[], 100, 100);
}

#[test]
fn a_role_whose_holder_is_gone_is_told_until_somebody_takes_it() {
    let held = |cluster: Cluster| {
        let primary = Primary { node: name("hv3"), term: 1, handover: None, former: None };
        Cluster { primary: Some(at(primary)), ..cluster }
    };
    expect(&held(cluster()), &[], 100, 100);
    let gone = held(with_node("hv3", |entry| entry.presence = None));
    expect(&gone, &["DEAD_NODE_HV3", "PRIMARY_GONE"], 40, 0);
}

#[test]
fn a_node_that_is_lost_stopped_or_flushed_is_told() {
    expect(&with_node("hv3", |entry| entry.presence = None), &["DEAD_NODE_HV3"], 50, 0);
    let in_state = |state| with_status(move |status| status.daemon = state);
    expect(&in_state(DaemonState::Fenced), &["DEAD_NODE_HV3"], 50, 0);
    expect(&in_state(DaemonState::Stop), &["NODE_STOPPED_HV3"], 90, 50);
    expect(&in_state(DaemonState::Shutdown), &[], 100, 100);
    let wish = NodeWish { duty: Duty::Flushed, serial: 1, at: NOW.wall };
    expect(&with_node("hv3", |entry| entry.wish = Some(at(wish))), &["NODE_FLUSHED_HV3"], 90, 90);
}

#[test]
fn the_faults_of_a_hypervisor_and_of_networks_lower_the_node_and_half_as_much_the_cluster() {
    let silent = with_status(|status| status.hypervisor_fault = Some("hung".into()));
    expect(&silent, &["NODE_PLUGIN_LBVT_HV3"], 75, 50);
    let cut = with_status(|status| status.network_faults = vec!["no ens4".into(), "no ens5".into()]);
    expect(&cut, &["NODE_PLUGIN_NICS_HV3"], 90, 80);
    let many = with_status(|status| status.network_faults = vec!["x".into(); 40]);
    expect(&many, &["NODE_PLUGIN_NICS_HV3"], 75, 50);
}

#[test]
fn a_vm_that_failed_or_waits_for_a_lost_node_is_told_and_one_that_is_to_be_down_is_not() {
    let failure = Failure { reason: "no disk".into(), attempts: 1, retry_at: NOW.boot };
    let failed = with_vm(|entry| {
        entry.fact = Some(at(VmFact { failure: Some(failure), ..fact(Phase::Stopped) }));
    });
    expect(&failed, &["VM_FAILED_WEB1"], 90, 100);
    let lost = |power| {
        let mut cluster = with_vm(|entry| {
            entry.vm.value.node = name("hv3");
            entry.vm.value.wish.power = power;
        });
        let gone = NodeEntry { presence: None, ..(*cluster.nodes[&name("hv3")]).clone() };
        cluster.nodes.insert(name("hv3"), gone.into());
        cluster
    };
    expect(&lost(Power::Start), &["DEAD_NODE_HV3", "VM_WAITS_WEB1"], 40, 0);
    expect(&lost(Power::Stop), &["DEAD_NODE_HV3"], 50, 0);
    let nowhere = with_vm(|entry| entry.vm.value.node = name("hv9"));
    expect(&nowhere, &["VM_WAITS_WEB1"], 90, 100);
}

#[test]
fn memory_that_would_not_suffice_without_the_largest_node_is_told() {
    // Three nodes of 8 GiB each.
    expect(&with_vm(|entry| entry.vm.value.memory_mib = 16_383), &[], 100, 100);
    expect(&with_vm(|entry| entry.vm.value.memory_mib = 16_384), &["MEMORY_OVERPROVISIONED"], 50, 100);
    let mut alone = with_vm(|entry| entry.vm.value.memory_mib = 8191);
    for node in ["hv2", "hv3"] {
        alone.nodes.remove(&name(node));
    }
    expect(&alone, &[], 100, 100);
}

#[test]
fn half_of_the_coordinators_is_no_quorum_and_hypervisors_do_not_count() {
    let mut cluster = with_node("hv3", |entry| entry.presence = None);
    let hv2 = NodeEntry { presence: None, ..(*cluster.nodes[&name("hv2")]).clone() };
    cluster.nodes.insert(name("hv2"), hv2.into());
    let ids = ["DEAD_NODE_HV2", "DEAD_NODE_HV3", "COORDINATORS_BELOW_QUORUM"];
    assert_eq!(found(&cluster).0, ids);
    for node in ["hv2", "hv3"] {
        let mut entry = (*cluster.nodes[&name(node)]).clone();
        entry.node.as_mut().expect("it has one").value.role = Role::Hypervisor;
        cluster.nodes.insert(name(node), entry.into());
    }
    assert_eq!(found(&cluster).0, ids[..2]);
}

#[test]
fn strangers_unreadable_records_and_maintenance_are_told_too() {
    let foreign = Foreign { vm: VM, name: "stray".into() };
    let stranger = with_status(|status| status.foreign = vec![foreign]);
    assert_eq!(found(&stranger).1, Some(100));
    assert_eq!(found(&stranger).0.len(), 1);
    let unreadable = troubles(&cluster(), &["/pvc/vms/x: broken".into()]);
    assert_eq!((unreadable[0].id.as_str(), unreadable[0].health_delta), ("STORE_RECORD_0", 10));
    let mut resting = cluster();
    resting.maintenance = Some(at(Maintenance { on: true }));
    assert_eq!(found(&resting), (vec!["MAINTENANCE".to_owned()], None, 100));
}

#[test]
fn a_storage_that_is_silent_or_not_well_is_told() {
    use crate::storage::facts::{StorageFacts, Trouble as Silence};
    use crate::storage::figures::ClusterFigures;
    use crate::time::WallTime;
    let with = |facts: StorageFacts| Cluster { storage_facts: Some(at(facts).into()), ..cluster() };
    expect(&with(StorageFacts::default()), &[], 100, 100);
    let silence = Silence { since: WallTime(0), why: "it does not answer".into() };
    let silent = StorageFacts { trouble: Some(silence), ..StorageFacts::default() };
    expect(&with(silent), &["STORAGE_SILENT"], 50, 100);
    let figures = |health| ClusterFigures {
        health,
        checks: vec![("OSD_DOWN".into(), "1 osds down".into())],
        osd_count: 3,
        osd_up_count: 2,
        osd_in_count: 3,
        placement_group_count: 8,
        placement_group_clean_count: 8,
        total_bytes: 1,
        free_bytes: 1,
    };
    let said = |health| StorageFacts { figures: Some(figures(health)), ..StorageFacts::default() };
    expect(&with(said(Health::Ok)), &[], 100, 100);
    expect(&with(said(Health::Warn)), &["STORAGE_HEALTH"], 90, 100);
    expect(&with(said(Health::Err)), &["STORAGE_HEALTH"], 50, 100);
    assert_eq!(troubles(&with(said(Health::Err)), &[])[0].text, "the storage is not well: 1 osds down");
}
