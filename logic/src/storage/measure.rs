//! What the primary's daemon writes of what it measured.
//!
//! | what was measured | what is written |
//! |---|---|
//! | differs by something of weight, or was recorded [`FACTS_KEPT`] ago | the record, renewed |
//! | the storage does not answer, and the record does not say so | the trouble, with the figures of before |
//! | it answers again | the record, without the trouble |
//!
//! So a storage that is at rest costs the store one write a minute, and its readers can tell old facts from new ones.

use super::facts::{FenceFacts, OsdFacts, PoolFacts, StorageFacts, Trouble};
use super::figures::{ClusterFigures, Osd, PoolFigures};
use super::reason::StorageReason;
use crate::cluster::Cluster;
use crate::limits::{FACTS_GROWTH_BYTES, FACTS_GROWTH_PERCENT, FACTS_KEPT};
use crate::observed::Observed;
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Record, RecordId, Records, Versioned};
use crate::time::WallTime;

/// One measurement of the storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// When it was begun.
    pub at: WallTime,
    /// The whole.
    pub figures: ClusterFigures,
    /// All pools.
    pub pools: Vec<PoolFigures>,
    /// All OSDs.
    pub osds: Vec<Osd>,
    /// How it stands, as a text.
    pub status: String,
    /// What of it is used, as a text.
    pub utilization: String,
    /// How it stands to the fence of a node, as that was last asked.
    pub fence: Option<FenceFacts>,
}

/// What this process knows by measuring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The last measurement that succeeded.
    pub latest: Option<Measurement>,
    /// Why there was none since.
    pub trouble: Option<Trouble>,
}

/// Decides about the facts, at the node that holds the primary role.
pub fn decide(cluster: &Cluster, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    let holds = cluster.primary.as_ref().is_some_and(|primary| primary.value.node == observed.name);
    if !holds {
        return plan;
    }
    let Measured { latest, trouble } = &observed.measured;
    let known = cluster.storage_facts.as_deref();
    let mut records = Records::default();
    let known_trouble = known.and_then(|facts| facts.value.trouble.as_ref());
    let reason = match (known_trouble, trouble) {
        (None, Some(_)) => Reason::Storage(StorageReason::Silent),
        (Some(_), None) if latest.is_some() => Reason::Storage(StorageReason::Answers),
        _ => Reason::Storage(StorageReason::Measured),
    };
    if let Some(next) = whole(known, latest.as_ref(), trouble.as_ref()) {
        records = put(records, RecordId::StorageFacts, known, next);
    }
    if let (None, Some(latest)) = (trouble, latest) {
        let pools = PoolFacts {
            at: latest.at,
            pools: latest.pools.iter().map(|pool| (pool.name.clone(), pool.clone())).collect(),
        };
        let known = cluster.pool_facts.as_deref();
        if is_due(known.map(|facts| facts.value.at), latest.at, || differ(known.map(|k| &k.value), &pools)) {
            records = put(records, RecordId::PoolFacts, known, pools);
        }
        let osds =
            OsdFacts { at: latest.at, osds: latest.osds.iter().map(|osd| (osd.id, osd.clone())).collect() };
        let known = cluster.osd_facts.as_deref();
        if is_due(known.map(|facts| facts.value.at), latest.at, || {
            osds_differ(known.map(|k| &k.value), &osds)
        }) {
            records = put(records, RecordId::OsdFacts, known, osds);
        }
    }
    if !records.writes.is_empty() {
        let action = Action::Record(Box::new(records));
        plan.steps.push(Step {
            resource: Resource::Facts,
            action,
            guards: Vec::new(),
            not_after: None,
            reason,
        });
    }
    plan
}

fn put<T: Into<Record>>(records: Records, id: RecordId, known: Option<&Versioned<T>>, next: T) -> Records {
    records.write(id, crate::record::expect_of(known), next.into())
}

/// Whether a record of this time is renewed by a later measurement.
fn is_due(known: Option<WallTime>, at: WallTime, differs: impl Fn() -> bool) -> bool {
    match known {
        None => true,
        // What another node measured may be newer, and clocks may differ.
        Some(known) if at.0 <= known.0 => known.0 - at.0 > FACTS_KEPT.0,
        Some(known) => at.0 - known.0 >= FACTS_KEPT.0 || differs(),
    }
}

/// The record of the whole, where it is to be written.
fn whole(
    known: Option<&Versioned<StorageFacts>>,
    latest: Option<&Measurement>,
    trouble: Option<&Trouble>,
) -> Option<StorageFacts> {
    let before = known.map(|known| &known.value);
    if let Some(trouble) = trouble {
        let is_told = before.is_some_and(|before| before.trouble.is_some());
        let facts = before.cloned().unwrap_or_default();
        return (!is_told).then(|| StorageFacts { trouble: Some(trouble.clone()), ..facts });
    }
    let latest = latest?;
    let renewed = StorageFacts {
        at: latest.at,
        trouble: None,
        figures: Some(latest.figures.clone()),
        status: latest.status.clone(),
        utilization: latest.utilization.clone(),
        fence: latest.fence.clone(),
    };
    let differs = || {
        before
            .and_then(|before| before.figures.as_ref())
            .is_none_or(|old| figures_differ(old, &latest.figures))
            || before.is_some_and(|before| before.fence != latest.fence)
    };
    let mends = before.is_some_and(|before| before.trouble.is_some());
    (mends || is_due(before.map(|before| before.at), latest.at, differs)).then_some(renewed)
}

fn figures_differ(old: &ClusterFigures, new: &ClusterFigures) -> bool {
    let counts = |f: &ClusterFigures| {
        let groups = (f.placement_group_count, f.placement_group_clean_count);
        (f.health, f.osd_count, f.osd_up_count, f.osd_in_count, groups, f.total_bytes)
    };
    counts(old) != counts(new) || old.checks != new.checks || grew(old.free_bytes, new.free_bytes)
}

fn differ(old: Option<&PoolFacts>, new: &PoolFacts) -> bool {
    let Some(old) = old else { return true };
    let pairs = old.pools.values().zip(new.pools.values());
    old.pools.len() != new.pools.len()
        || pairs.into_iter().any(|(old, new)| {
            let state = |pool: &PoolFigures| {
                (pool.name.clone(), pool.id, pool.object_degraded_count == 0, pool.tally.unfound_count == 0)
            };
            state(old) != state(new)
                || grew(old.stored_bytes, new.stored_bytes)
                || grew(old.free_bytes, new.free_bytes)
        })
}

fn osds_differ(old: Option<&OsdFacts>, new: &OsdFacts) -> bool {
    let Some(old) = old else { return true };
    let state = |osd: &Osd| (osd.id, osd.up, osd.r#in, osd.uuid.clone(), osd.host.clone(), osd.class.clone());
    let pairs = old.osds.values().zip(new.osds.values());
    old.osds.len() != new.osds.len()
        || pairs.into_iter().any(|(old, new)| {
            let is_heavier =
                (old.figures.weight, old.figures.reweight) != (new.figures.weight, new.figures.reweight);
            state(old) != state(new) || is_heavier || grew(old.figures.used_bytes, new.figures.used_bytes)
        })
}

/// Whether a number of bytes changed by so much that somebody would want to know at once.
fn grew(old_bytes: u64, new_bytes: u64) -> bool {
    let by = old_bytes.abs_diff(new_bytes);
    by >= FACTS_GROWTH_BYTES
        && u128::from(by) * 100 >= u128::from(old_bytes) * u128::from(FACTS_GROWTH_PERCENT)
}

#[cfg(test)]
mod tests;
