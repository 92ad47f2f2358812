//! Whether a node's OSDs run when its daemon has started.
//!
//! | an OSD of this node | what is done |
//! |---|---|
//! | is ready, and this process has not seen to it yet | it is started, unless an init system of the node's sees to it; done if it runs |
//! | is in the hands of a task, or was destroyed | nothing |
//! | was seen to by this process | nothing, whatever has become of it: one that ends by itself is a case for an operator |
//!
//! Only a few are started at once, because a start waits for the storage's monitors, which may come up later; those that
//! failed come after those that did not, and are tried again ever more rarely.

use crate::cluster::Cluster;
use crate::limits::OSDS_STARTED_AT_ONCE_MAX;
use crate::observed::Observed;
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Guard, RecordId};
use crate::storage::osd::change::OsdChange;
use crate::storage::osd::record::OsdState;
use crate::storage::reason::StorageReason;

/// Decides about the OSDs of this node.
pub fn decide(cluster: &Cluster, observed: &Observed) -> Plan {
    let own = cluster.osds.iter().filter(|(_, osd)| {
        let osd = &osd.value;
        let is_ready = osd.state == OsdState::Ready && osd.task.is_none();
        is_ready && osd.node == observed.name && !observed.revived.contains(&osd.uuid)
    });
    let mut steps: Vec<(u32, Step)> = own
        .map(|(id, osd)| {
            let resource = Resource::Osd(*id);
            let failed = observed.failures.get(&resource).map_or(0, |failure| failure.in_a_row);
            let step = Step {
                resource,
                action: Action::Osd(OsdChange::ReviveOsd { osd: osd.value.uuid }),
                // A task that wants it stopped has it in its hands first.
                guards: vec![Guard { record: RecordId::Osd(*id), expect: osd.expect() }],
                not_after: None,
                reason: Reason::Storage(StorageReason::OsdUnseen),
            };
            (failed, step)
        })
        .collect();
    steps.sort_by_key(|(failed, _)| *failed);
    let steps = steps.into_iter().map(|(_, step)| step).take(OSDS_STARTED_AT_ONCE_MAX).collect();
    Plan { steps, ..Plan::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskId;
    use crate::observed::StepFailure;
    use crate::storage::osd::record::Osd;
    use crate::storage::osd::{OsdId, OsdUuid};
    use crate::testing::{NOW, at, cluster, hv1, observed};

    fn uuid(number: u32) -> OsdUuid {
        OsdUuid(uuid::Uuid::from_u128(u128::from(number)))
    }

    fn with(count: u32) -> Cluster {
        let mut cluster = cluster();
        for number in 0..count {
            let osd = Osd {
                node: hv1(),
                device: "/dev/sdb".into(),
                db_device: None,
                uuid: uuid(number),
                is_split: false,
                volume: None,
                state: OsdState::Ready,
                task: None,
            };
            cluster.osds.insert(OsdId(number), at(osd).into());
        }
        cluster
    }

    fn started(cluster: &Cluster, seen: &Observed) -> Vec<String> {
        decide(cluster, seen).steps.iter().map(|step| step.resource.to_string()).collect()
    }

    #[test]
    fn those_that_are_ready_are_started_once_and_a_few_at_a_time() {
        let mut seen = observed(&[]);
        assert_eq!(started(&with(1), &seen), ["osd:0"]);
        assert_eq!(started(&with(5), &seen), ["osd:0", "osd:1"]);
        seen.revived.extend([uuid(0), uuid(1)]);
        assert_eq!(started(&with(5), &seen), ["osd:2", "osd:3"]);
        assert!(started(&with(2), &seen).is_empty());
        let (step, why) = ("revive-osd", "no monitor answers".to_owned());
        let failed = StepFailure {
            step,
            incarnation: 0,
            why,
            at: NOW.boot,
            in_a_row: 1,
            overtaken: false,
            silent: false,
        };
        seen.failures.insert(Resource::Osd(OsdId(2)), failed);
        assert_eq!(started(&with(5), &seen), ["osd:3", "osd:4"], "one that failed comes after the others");
    }

    #[test]
    fn those_of_others_and_those_in_the_hands_of_a_task_are_left_alone() {
        let seen = observed(&[]);
        let altered = |alter: &dyn Fn(&mut Osd)| {
            let mut cluster = with(1);
            let mut osd = cluster.osds[&OsdId(0)].value.clone();
            alter(&mut osd);
            cluster.osds.insert(OsdId(0), at(osd).into());
            started(&cluster, &seen)
        };
        assert!(altered(&|osd| osd.node = "hv2".parse().unwrap()).is_empty());
        assert!(altered(&|osd| osd.task = Some(TaskId(7))).is_empty());
        assert!(altered(&|osd| osd.state = OsdState::Destroyed { why: "x".into() }).is_empty());
        assert_eq!(altered(&|_| {}), ["osd:0"]);
    }
}
