//! Moves: what is written for a VM that runs and for one that does not, and every refusal with its remedy.

use super::*;
use crate::node::place::tests::{add, name, say};
use crate::testing::{NOW, VM, cluster_with_vm, fact, written_vm};
use crate::vm::Phase;

fn cluster(power: Power, phase: Phase) -> Cluster {
    let mut cluster = cluster_with_vm(power, Some(fact(phase)));
    for node in ["hv1", "hv2", "hv3"] {
        add(&mut cluster, node, 0.0);
    }
    cluster
}

fn to(node: &str) -> Option<String> {
    Some(node.to_owned())
}

fn asked(cluster: &Cluster, request: &Relocation) -> Result<Relocated, String> {
    relocate(cluster, VM, request, None, NOW.wall).map_err(|refusal| refusal.to_string())
}

#[test]
fn what_does_not_run_belongs_to_the_other_node_at_once() {
    let cluster = cluster(Power::Stop, Phase::Stopped);
    let moved = asked(&cluster, &Relocation::Move { to: to("hv3") }).unwrap();
    let vm = written_vm(&moved.records);
    assert_eq!((vm.node, vm.last_node, vm.transfer), (name("hv3"), None, None));
    let migrated = asked(&cluster, &Relocation::Migrate { to: None, force: Force::No }).unwrap();
    let vm = written_vm(&migrated.records);
    assert_eq!((vm.node, vm.last_node, vm.transfer), (name("hv2"), Some(name("hv1")), None));
}

#[test]
fn what_runs_is_handed_over_by_its_node() {
    let cluster = cluster(Power::Start, Phase::Running);
    let moved = asked(&cluster, &Relocation::Migrate { to: to("hv2"), force: Force::No }).unwrap();
    let vm = written_vm(&moved.records);
    assert_eq!((vm.node, vm.wish.serial), (name("hv1"), 2));
    let transfer = Transfer {
        to: name("hv2"),
        home: Some(name("hv1")),
        how: crate::vm::MigrationMethod::None,
        away_since: 0,
    };
    assert_eq!(vm.transfer, Some(transfer));
    assert!(moved.records.writes.iter().any(|write| write.record == RecordId::NodeLedger(name("hv2"))));
}

#[test]
fn a_vm_that_is_away_goes_home_or_further_with_force() {
    let mut cluster = cluster(Power::Stop, Phase::Stopped);
    let mut entry = (*cluster.vms[&VM]).clone();
    entry.vm.value.last_node = Some(name("hv3"));
    cluster.vms.insert(VM, entry.into());
    let home = asked(&cluster, &Relocation::Unmigrate).unwrap();
    assert_eq!((home.to, written_vm(&home.records).last_node), (name("hv3"), None));
    let refused = asked(&cluster, &Relocation::Migrate { to: to("hv2"), force: Force::No }).unwrap_err();
    assert!(refused.contains("migrated already"), "{refused}");
    let further = asked(&cluster, &Relocation::Migrate { to: to("hv2"), force: Force::Yes }).unwrap();
    assert_eq!(written_vm(&further.records).last_node, Some(name("hv3")));
}

/// The VM is on `hv1`, and its home is `hv3`.
fn away(power: Power, phase: Phase) -> Cluster {
    let mut cluster = cluster(power, phase);
    let mut entry = (*cluster.vms[&VM]).clone();
    entry.vm.value.last_node = Some(name("hv3"));
    entry.vm.value.away_since = 4;
    cluster.vms.insert(VM, entry.into());
    cluster
}

#[test]
fn a_vm_that_is_away_and_moved_to_where_it_is_settles_there() {
    for (power, phase) in [(Power::Start, Phase::Running), (Power::Stop, Phase::Stopped)] {
        let mut cluster = away(power, phase);
        // It takes nothing of its node that it had not before: so nothing there is in the way.
        say(&mut cluster, "hv1", |status| status.hypervisor_fault = Some("it hangs".into()));
        let before = cluster.vms[&VM].vm.clone();
        let settled = asked(&cluster, &Relocation::Move { to: to("hv1") }).unwrap();
        assert_eq!(settled.to, name("hv1"));
        assert_eq!(settled.records.writes.len(), 1, "no room is taken anew");
        assert_eq!(settled.records.writes[0].expect, before.expect());
        let expected = Vm { last_node: None, away_since: 0, ..before.value };
        assert_eq!(written_vm(&settled.records), expected, "it is where it is, and its wish as it was");
        let migrated = asked(&cluster, &Relocation::Migrate { to: to("hv1"), force: Force::Yes });
        assert!(migrated.unwrap_err().contains("the VM is there already"));
    }
}

#[test]
fn a_home_that_cannot_take_its_vm_is_named_with_what_is_in_the_way() {
    let home = name("hv3");
    let mut down = away(Power::Start, Phase::Running);
    let entry = crate::cluster::NodeEntry { presence: None, ..(*down.nodes[&home]).clone() };
    down.nodes.insert(home.clone(), entry.into());
    let changed = |change: fn(&mut Vm)| {
        let mut cluster = away(Power::Start, Phase::Running);
        let mut entry = (*cluster.vms[&VM]).clone();
        change(&mut entry.vm.value);
        cluster.vms.insert(VM, entry.into());
        cluster
    };
    let mut small = away(Power::Start, Phase::Running);
    let mut entry = (*small.nodes[&home]).clone();
    entry.node.as_mut().unwrap().value.memory_total_mib = 512;
    small.nodes.insert(home.clone(), entry.clone().into());
    let mut slow = small.clone();
    entry.node.as_mut().unwrap().value.memory_total_mib = 8192;
    entry.node.as_mut().unwrap().value.cpu_count = 0;
    slow.nodes.insert(home.clone(), entry.into());
    let mut hung = away(Power::Start, Phase::Running);
    say(&mut hung, "hv3", |status| status.hypervisor_fault = Some("it hangs".into()));
    for (cluster, part) in [
        (down, "hv3: its daemon is in state \"dead\""),
        (small, "hv3: the VM needs 1024 MiB of memory, and 512 MiB are left"),
        (slow, "hv3: the VM has 1 vCPUs, and the node 0 CPUs"),
        (changed(|vm| vm.meta.node_limit = vec![name("hv1"), name("hv2")]), "hv3: it is not within"),
        (hung, "hv3: its hypervisor does not answer: it hangs"),
    ] {
        let refused = asked(&cluster, &Relocation::Unmigrate).map(|_| ()).unwrap_err();
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn what_runs_and_is_bound_moves_not_live_and_what_is_down_moves() {
    for (power, phase, moves) in [(Power::Start, Phase::Running, false), (Power::Stop, Phase::Stopped, true)]
    {
        let mut cluster = cluster(power, phase);
        let mut entry = (*cluster.vms[&VM]).clone();
        entry.vm.value.meta.migration_method = crate::vm::MigrationMethod::Live;
        cluster.vms.insert(VM, entry.clone().into());
        assert!(asked(&cluster, &Relocation::Move { to: None }).is_ok(), "{power:?}");
        entry.vm.value.bound = Some("it holds a device".into());
        cluster.vms.insert(VM, entry.clone().into());
        let answer = asked(&cluster, &Relocation::Move { to: None });
        assert_eq!(answer.is_ok(), moves, "{power:?}");
        assert!(moves || answer.unwrap_err().contains("it holds a device"));
        entry.vm.value.meta.migration_method = crate::vm::MigrationMethod::None;
        cluster.vms.insert(VM, entry.into());
        let shut_down = written_vm(&asked(&cluster, &Relocation::Move { to: None }).unwrap().records);
        let how = shut_down.transfer.map(|transfer| transfer.how);
        assert_eq!(how, (!moves).then_some(crate::vm::MigrationMethod::Shutdown));
    }
}

#[test]
fn each_refusal_names_what_is_in_the_way() {
    let stopped = cluster(Power::Stop, Phase::Stopped);
    let running = cluster(Power::Start, Phase::Running);
    let mut moving = running.clone();
    let mut entry = (*moving.vms[&VM]).clone();
    entry.vm.value.transfer =
        Some(Transfer { to: name("hv2"), home: None, how: crate::vm::MigrationMethod::None, away_since: 0 });
    moving.vms.insert(VM, entry.into());
    let mut leaving = cluster(Power::Shutdown, Phase::Running);
    let mut entry = (*leaving.vms[&VM]).clone();
    entry.vm.value.wish.serial = 2;
    leaving.vms.insert(VM, entry.into());
    for (cluster, request, part) in [
        (&stopped, Relocation::Move { to: to("hv1") }, "the VM is there already"),
        (&stopped, Relocation::Move { to: to("hv9") }, "no node of that name"),
        (&stopped, Relocation::Unmigrate, "has not been migrated"),
        (&moving, Relocation::Move { to: to("hv3") }, "wait until it has moved"),
        (&leaving, Relocation::Move { to: None }, "wait until it is down"),
        (&cluster(Power::Remove, Phase::Running), Relocation::Move { to: None }, "being removed"),
    ] {
        let refused = asked(cluster, &request).map(|_| ()).unwrap_err();
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let mut lonely = stopped.clone();
    lonely.nodes.remove(&name("hv2"));
    lonely.nodes.remove(&name("hv3"));
    let refused = asked(&lonely, &Relocation::Move { to: None }).unwrap_err();
    assert!(refused.contains("hv1: the VM is there already"), "{refused}");
}
