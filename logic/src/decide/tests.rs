//! A step that keeps failing is performed again after growing waits, and holds nothing else up.

use super::*;
use crate::plan::Resource;
use crate::storage::osd::record::{Osd, OsdState};
use crate::storage::osd::{OsdId, OsdUuid};
use crate::testing::{NOW, VM, at, cluster, cluster_with_vm, fact, hv1, observed};
use crate::vm::{Phase, Power};

#[test]
fn a_failed_step_waits_twice_as_long_each_time_and_no_other_waits() {
    let mut word = fact(Phase::Running);
    word.wish_done = 0;
    let cluster = cluster_with_vm(Power::Stop, Some(word));
    let mut seen = observed(&[(VM, Some(1))]);
    let all = noded(&cluster, &seen, NOW).steps.len();
    let failed = |in_a_row| StepFailure {
        step: "stop-guest",
        incarnation: 1,
        why: "x".into(),
        at: NOW.boot,
        in_a_row,
        overtaken: false,
        silent: false,
    };
    for (in_a_row, wait_ms) in [(1, 100), (2, 200), (5, 1600), (6, 2000), (40, 2000)] {
        seen.failures.insert(Resource::Vm(VM), failed(in_a_row));
        let plan = noded(&cluster, &seen, NOW);
        assert_eq!(plan.steps.len(), all - 1);
        assert_eq!(plan.look_again, Some(NOW.boot + Span(wait_ms)));
        let due = Now { boot: NOW.boot + Span(wait_ms), ..NOW };
        assert_eq!(noded(&cluster, &seen, due).steps.len(), all);
    }
}

#[test]
fn the_failure_of_one_step_does_not_hold_back_another_on_the_same_vm() {
    let cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Starting)));
    let mut seen = observed(&[]);
    let failure = StepFailure {
        step: "start-guest",
        incarnation: 1,
        why: "x".into(),
        at: NOW.boot,
        in_a_row: 1,
        overtaken: false,
        silent: false,
    };
    seen.failures.insert(Resource::Vm(VM), failure);
    assert!(noded(&cluster, &seen, NOW).steps.iter().any(|step| step.reason.name() == "start-failed"));
}

#[test]
fn an_osd_that_its_machine_cannot_start_is_tried_again_ever_more_rarely() {
    let osd = Osd {
        node: hv1(),
        device: "/dev/sdb".into(),
        db_device: None,
        uuid: OsdUuid(uuid::Uuid::nil()),
        is_split: false,
        volume: None,
        state: OsdState::Ready,
        task: None,
    };
    let (mut cluster, mut seen) = (cluster(), observed(&[]));
    cluster.osds.insert(OsdId(0), at(osd).into());
    let all = noded(&cluster, &seen, NOW).steps.len();
    for (in_a_row, wait_ms) in [(1, 100), (6, 3200), (12, 204_800), (13, 300_000), (1000, 300_000)] {
        let why = "this node bears no OSD".into();
        let failure = StepFailure {
            step: "revive-osd",
            incarnation: 0,
            why,
            at: NOW.boot,
            in_a_row,
            overtaken: false,
            silent: false,
        };
        seen.failures.insert(Resource::Osd(OsdId(0)), failure);
        let before = Now { boot: NOW.boot + Span(wait_ms - 1), ..NOW };
        assert_eq!(noded(&cluster, &seen, before).steps.len(), all - 1, "{in_a_row} in a row");
        let due = Now { boot: NOW.boot + Span(wait_ms), ..NOW };
        assert_eq!(noded(&cluster, &seen, due).steps.len(), all, "{in_a_row} in a row");
    }
}
