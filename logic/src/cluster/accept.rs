//! Whether the cluster as a whole may be changed as asked, and the records it writes.

use super::{ApiSecret, Cluster, ClusterSettings, Maintenance};
use crate::record::{RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::time::WallTime;

/// Whether an initialised cluster may be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Forget everything in it.
    Yes,
    /// Refuse.
    No,
}

/// Initialises the cluster. `key` is 32 fresh random bytes in hexadecimal, for signing cookies; it is kept where
/// there is one. With [`Overwrite::Yes`] all VMs and tasks are forgotten; guests that still run are then strangers.
///
/// # Errors
/// [`Refusal::AlreadyInitialised`] unless overwriting is asked for.
pub fn initialise(
    cluster: &Cluster,
    key: &str,
    overwrite: Overwrite,
    now: WallTime,
) -> Result<Records, Refusal> {
    if cluster.settings.is_some() && overwrite == Overwrite::No {
        return Err(Refusal::AlreadyInitialised);
    }
    let settings = ClusterSettings { initialised: now };
    let mut records =
        Records::default().write(RecordId::Cluster, expect_of(cluster.settings.as_ref()), settings.into());
    if cluster.api_secret.is_none() {
        let secret = ApiSecret { key: key.into() };
        records = records.write(RecordId::ApiSecret, expect_of(cluster.api_secret.as_ref()), secret.into());
    }
    if let Some(maintenance) = &cluster.maintenance {
        records = records.delete(RecordId::Maintenance, maintenance.expect());
    }
    for (id, entry) in &cluster.vms {
        for write in crate::vm::accept::deletion(cluster, *id, entry).writes {
            records.writes.push(write);
        }
    }
    records = crate::vm::accept::spend(cluster, cluster.vms.values().map(AsRef::as_ref), records);
    for (id, entry) in &cluster.tasks {
        records = records.delete(RecordId::Task(*id), entry.task.expect());
        if let Some(fact) = &entry.fact {
            records = records.delete(RecordId::TaskFact(*id), fact.expect());
        }
    }
    Ok(records)
}

/// Turns maintenance mode on or off. `None` when it is so already: there is nothing to write.
pub fn set_maintenance(cluster: &Cluster, maintenance: Maintenance) -> Option<Records> {
    let current = cluster.maintenance.as_ref();
    if cluster.in_maintenance() == maintenance.on {
        return None;
    }
    Some(Records::default().write(RecordId::Maintenance, expect_of(current), maintenance.into()))
}

#[cfg(test)]
mod tests;
