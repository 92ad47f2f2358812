//! The operations that are compared.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_operation_has_a_name_of_its_own_and_three_ways() {
    let all = [reads(), changes()].concat();
    let names: BTreeSet<&str> = all.iter().map(|contest| contest.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    for Contest { name, request, pvc, theirs } in &all {
        assert!(request[1].starts_with("/api/v1/storage/ceph/") && pvc[0] == "storage", "{name}");
        assert!(["ceph", "rbd"].contains(&theirs[0].as_str()), "{name}");
    }
}

#[test]
fn a_look_changes_nothing_and_a_change_is_no_look() {
    assert!(reads().iter().all(|contest| contest.request[0] == "GET"));
    assert!(changes().iter().all(|contest| contest.request[0] != "GET"));
}

#[test]
fn the_three_ways_of_a_change_do_not_meet() {
    for Contest { name, request, pvc, theirs } in changes() {
        let (request, pvc, theirs) = (request.join(" "), pvc.join(" "), theirs.join(" "));
        assert!(request.contains("by_api") && !request.contains("by_pvc"), "{name}");
        assert!(pvc.contains("by_pvc") && !pvc.contains("by_rbd"), "{name}");
        assert!(theirs.contains("by_rbd") && !theirs.contains("by_api"), "{name}");
    }
}
