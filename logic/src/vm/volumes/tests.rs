//! Volumes and the VMs that have them.

use super::*;
use crate::testing::{NOW, VM, cluster_with_vm, written_vm, xml};
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
