//! Whether long work may be begun now, and the records it writes.

use roxmltree::Document;

use super::{Task, Work};
use crate::cluster::Cluster;
use crate::id::{TaskId, VmId};
use crate::limits::XML_BYTES_MAX;
use crate::record::{Expect, RecordId, Records};
use crate::refusal::Refusal;
use crate::time::WallTime;
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
    let xml = xml.to_owned();
    let work = match change {
        DeviceChange::Attach => Work::AttachDevice { vm, xml },
        DeviceChange::Detach => Work::DetachDevice { vm, xml },
    };
    let asked = Task { work, run_on: entry.vm.value.node.clone(), asked: now };
    let records = Records::default().write(RecordId::Task(task), Expect::Absent, asked.clone().into());
    Ok((asked, records))
}

#[cfg(test)]
mod tests;
