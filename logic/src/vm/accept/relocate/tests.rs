//! Moves: what is written for a VM that runs and for one that does not, and every refusal with its remedy.

use super::*;
use crate::node::place::tests::{add, name};
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
