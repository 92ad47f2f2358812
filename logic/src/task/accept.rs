//! Whether long work may be begun now, and the records it writes.

use roxmltree::Document;

use super::{Task, Work};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{TaskId, VmId};
use crate::limits::XML_BYTES_MAX;
use crate::record::{Expect, RecordId, Records};
use crate::refusal::Refusal;
use crate::storage::StorageRefusal;
use crate::time::WallTime;
use crate::vm::domain::disks::{Sharing, named};
use crate::vm::{DomainError, State, shown_state};

/// Which way a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// Into the running guest.
    Attach,
    /// Out of it.
    Detach,
}

/// Begins to attach or detach a device of a running VM. `task` is a fresh random id.
///
/// # Errors
/// [`Refusal`] when the VM does not run or the device is not an XML element.
pub fn change_device(
    cluster: &Cluster,
    task: TaskId,
    (vm, change): (VmId, DeviceChange),
    xml: &str,
    now: WallTime,
) -> Result<(Task, Records), Refusal> {
    let entry = cluster.vms.get(&vm).ok_or_else(|| Refusal::VmUnknown { vm: vm.to_string() })?;
    let state = shown_state(entry);
    if state != State::Start {
        let name = entry.vm.value.name.clone();
        return Err(Refusal::WrongState {
            name,
            state,
            remedy: "a device is attached live only while it runs",
        });
    }
    if xml.len() > XML_BYTES_MAX {
        return Err(DomainError::TooLong { bytes: xml.len(), bytes_max: XML_BYTES_MAX }.into());
    }
    Document::parse(xml).map_err(|error| DomainError::Malformed { why: error.to_string() })?;
    if change == DeviceChange::Attach {
        volume_is_free(cluster, vm, xml)?;
    }
    let xml = xml.to_owned();
    let work = match change {
        DeviceChange::Attach => Work::AttachDevice { vm, xml },
        DeviceChange::Detach => Work::DetachDevice { vm, xml },
    };
    let asked = Task { work, run_on: entry.vm.value.node.clone(), asked: now };
    let records = Records::default().write(RecordId::Task(task), Expect::Absent, asked.clone().into());
    Ok((asked, records))
}

/// The volume of a device that is to be attached is there, and no other VM runs with it.
fn volume_is_free(cluster: &Cluster, vm: VmId, xml: &str) -> Result<(), Refusal> {
    for path in named(xml)? {
        // Where the pool is not PVC's, the volume is the operator's affair.
        if cluster.pools.contains_key(&path.pool) && !cluster.volumes.contains_key(&path) {
            return Err(StorageRefusal::VolumeUnknown { volume: path }.into());
        }
        let is_alone = |entry: &VmEntry| {
            let mut used = entry.vm.value.volumes.iter().filter(|used| used.path == path);
            used.any(|used| used.sharing == Sharing::Alone)
        };
        let runs = |entry: &VmEntry| entry.fact.as_ref().is_some_and(|fact| fact.value.runs());
        let mut others = cluster.vms.iter().filter(|(id, _)| **id != vm).map(|(_, entry)| &**entry);
        if let Some(other) = others.find(|entry| is_alone(entry) && runs(entry)) {
            let (volume, vm) = (path, other.vm.value.name.clone());
            return Err(StorageRefusal::UsedBy {
                volume,
                vm,
                remedy: "detach it there first, or stop that VM",
            }
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
