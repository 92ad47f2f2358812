//! When facts are written, and what a silence of the storage does to them.

use super::*;
use crate::primary::Primary;
use crate::storage::figures::Health;
use crate::testing::{NOW, at, cluster, hv1, observed};

const GIB: u64 = 1 << 30;

fn measurement(at_ms: u64, free_bytes: u64) -> Measurement {
    let figures = ClusterFigures {
        health: Health::Ok,
        checks: Vec::new(),
        osd_count: 3,
        osd_up_count: 3,
        osd_in_count: 3,
        placement_group_count: 64,
        placement_group_clean_count: 64,
        total_bytes: 100 * GIB,
        free_bytes,
    };
    let pool = PoolFigures { free_bytes, ..PoolFigures::empty(&"vms".parse().unwrap()) };
    let at = WallTime(NOW.wall.0 + at_ms);
    let (status, utilization) = (format!("at {at_ms}"), String::new());
    Measurement { at, figures, pools: vec![pool], osds: Vec::new(), status, utilization, fence: None }
}

/// What is written, by its keys, and why; and the cluster afterwards.
fn written(cluster: &mut Cluster, measured: Measured) -> (usize, &'static str) {
    let seen = Observed { measured, ..observed(&[]) };
    let plan = decide(cluster, &seen);
    let Some(step) = plan.steps.first() else { return (0, "") };
    let Action::Record(records) = &step.action else { panic!("{step:?}") };
    for write in &records.writes {
        match write.value.clone() {
            Some(Record::StorageFacts(facts)) => cluster.storage_facts = Some(at(facts).into()),
            Some(Record::PoolFacts(facts)) => cluster.pool_facts = Some(at(facts).into()),
            Some(Record::OsdFacts(facts)) => cluster.osd_facts = Some(at(facts).into()),
            other => panic!("{other:?}"),
        }
    }
    (records.writes.len(), step.reason.name())
}

fn primary() -> Cluster {
    let primary = Primary { node: hv1(), term: 1, handover: None, former: None };
    Cluster { primary: Some(at(primary)), ..cluster() }
}

fn fresh(at_ms: u64, free_bytes: u64) -> Measured {
    Measured { latest: Some(measurement(at_ms, free_bytes)), trouble: None }
}

#[test]
fn facts_are_written_when_they_differ_and_once_a_minute() {
    let mut cluster = primary();
    assert_eq!(written(&mut cluster, fresh(0, 50 * GIB)), (3, "storage-measured"));
    assert_eq!(written(&mut cluster, fresh(5_000, 50 * GIB)), (0, ""), "nothing has changed");
    assert_eq!(written(&mut cluster, fresh(10_000, 50 * GIB - 4096)), (0, ""), "nothing of weight has");
    assert_eq!(written(&mut cluster, fresh(15_000, 40 * GIB)), (2, "storage-measured"));
    assert_eq!(written(&mut cluster, fresh(80_000, 40 * GIB)), (3, "storage-measured"));
    assert_eq!(written(&mut cluster, fresh(60_000, 40 * GIB)), (0, ""), "it is older than what is known");
}

#[test]
fn a_silent_storage_marks_its_facts_once_and_keeps_what_was_measured() {
    let mut cluster = primary();
    written(&mut cluster, fresh(0, 50 * GIB));
    let trouble = Trouble { since: WallTime(NOW.wall.0 + 5_000), why: "it does not answer".into() };
    let silent = Measured { trouble: Some(trouble.clone()), ..fresh(0, 50 * GIB) };
    assert_eq!(written(&mut cluster, silent.clone()), (1, "storage-silent"));
    let facts = cluster.storage_facts.clone().unwrap().value.clone();
    assert_eq!((facts.trouble.as_ref(), facts.at), (Some(&trouble), NOW.wall));
    assert_eq!(facts.staleness(NOW.wall).as_deref(), Some("it does not answer"));
    assert_eq!(written(&mut cluster, silent), (0, ""), "it is told once");
    assert_eq!(written(&mut cluster, fresh(20_000, 50 * GIB)), (1, "storage-answers"));
    assert_eq!(cluster.storage_facts.clone().unwrap().value.staleness(NOW.wall), None);
}

#[test]
fn only_the_primary_writes_facts() {
    let seen = Observed { measured: fresh(0, GIB), ..observed(&[]) };
    assert_eq!(decide(&cluster(), &seen), Plan::default());
}
