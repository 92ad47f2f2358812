//! Initialising the cluster, and its maintenance mode.

use super::*;
use crate::testing::{NOW, cluster, cluster_with_vm};
use crate::vm::Power;

#[test]
fn an_empty_cluster_is_initialised_once() {
    let records = initialise(&Cluster::default(), "k", Overwrite::No, NOW.wall).unwrap();
    let ids: Vec<_> = records.writes.iter().map(|write| &write.record).collect();
    assert_eq!(ids, [&RecordId::Cluster, &RecordId::ApiSecret]);
    assert_eq!(initialise(&cluster(), "k", Overwrite::No, NOW.wall), Err(Refusal::AlreadyInitialised));
}

#[test]
fn overwriting_forgets_every_vm_in_the_same_write() {
    let records = initialise(&cluster_with_vm(Power::Stop, None), "k", Overwrite::Yes, NOW.wall).unwrap();
    let deleted = records.writes.iter().filter(|write| write.value.is_none()).count();
    assert_eq!(deleted, 3, "wish, document and name: {records:?}");
}

#[test]
fn maintenance_is_written_only_when_it_changes() {
    assert_eq!(set_maintenance(&cluster(), Maintenance { on: false }), None);
    assert!(set_maintenance(&cluster(), Maintenance { on: true }).is_some());
}
