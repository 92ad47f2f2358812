//! What transfers that were cut off left behind is cleared away once in the life of each worker that has the primary's work.

use super::change::Change;
use super::reason::StorageReason;
use super::record::PoolState;
use crate::cluster::Cluster;
use crate::observed::Observed;
use crate::plan::{Action, Plan, Reason, Resource, Step};

/// Decides about all pools that this worker has not swept.
pub fn decide(cluster: &Cluster, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    let holds = cluster.primary.as_ref().is_some_and(|primary| primary.value.node == observed.name);
    if !holds {
        return plan;
    }
    for (pool, record) in &cluster.pools {
        let is_ready = record.value.state == PoolState::Ready && record.value.task.is_none();
        if is_ready && !observed.swept.contains(pool) {
            plan.steps.push(Step {
                resource: Resource::Pool(pool.clone()),
                action: Action::Storage(Change::SweepPool { pool: pool.clone() }),
                guards: Vec::new(),
                not_after: observed.lease_until,
                reason: Reason::Storage(StorageReason::Unswept),
            });
        }
    }
    plan
}
