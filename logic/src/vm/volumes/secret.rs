//! When the key to the guests' volumes is brought to the hypervisor: as soon as any VM has a volume, and again from time to
//! time, because somebody may have taken it away there, and a guest that comes while it runs needs it.

use crate::cluster::Cluster;
use crate::limits::SECRET_INTERVAL;
use crate::observed::{Observed, Secret};
use crate::plan::{Action, Plan, Resource, Step, VolumesReason};
use crate::time::Now;

/// Decides about this node's hypervisor.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(Secret::Needed { kept_at }) = observed.storage.as_ref().map(|storage| storage.secret) else {
        return plan;
    };
    if cluster.vms.values().all(|entry| entry.vm.value.volumes.is_empty()) {
        return plan;
    }
    match kept_at.map(|at| at + SECRET_INTERVAL).filter(|due| *due > now.boot) {
        Some(due) => plan.look_at(due),
        None => plan.steps.push(Step {
            resource: Resource::Secret,
            action: Action::EnsureSecret,
            guards: Vec::new(),
            not_after: None,
            reason: VolumesReason::SecretDue.into(),
        }),
    }
    plan
}
