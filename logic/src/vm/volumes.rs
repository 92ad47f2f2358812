//! Which VMs have a volume among their disks.

use crate::cluster::Cluster;
use crate::id::VmName;
use crate::storage::VolumePath;

/// The VMs whose documents name this volume, whether they run or not.
pub fn users_of(cluster: &Cluster, volume: &VolumePath) -> Vec<VmName> {
    let users = cluster.vms.values().filter(|entry| entry.vm.value.uses(volume));
    users.map(|entry| entry.vm.value.name.clone()).collect()
}

#[cfg(test)]
mod tests;
