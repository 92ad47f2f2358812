//! Whether a VM may be removed with its volumes, and whether the locks on them may be released.

use super::{Accepted, Occasion, clones_of};
use crate::cluster::VmEntry;
use crate::id::VmId;
use crate::record::{RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::storage::StorageRefusal;
use crate::storage::VolumePath;
use crate::storage::record::VolumeState;
use crate::storage::work::StorageWork;
use crate::vm::accept::settled;
use crate::vm::{Power, State, Vm, Wish, shown_state};

/// Removes a VM and its volumes: its guest is ended, then its volumes go, the last disk's first, and its records at the
/// end. A volume that PVC does not know is not touched.
///
/// # Errors
/// There is no such VM, it is being removed, or one of its volumes is busy, is used by another VM, or has clones.
pub fn remove_vm(on: Occasion<'_>, id: VmId) -> Accepted {
    let entry = known(on, id)?;
    settled(entry)?;
    let vm = &entry.vm.value;
    if vm.removal.is_some() {
        let (name, state) = (vm.name.clone(), State::Delete);
        return Err(Refusal::WrongState { name, state, remedy: "wait until it is removed" });
    }
    let mut records = Records::default();
    let mut volumes: Vec<VolumePath> = Vec::new();
    for used in vm.volumes.iter().rev().filter(|used| on.cluster.volumes.contains_key(&used.path)) {
        let path = &used.path;
        if let Some(other) = other_user(on, id, path) {
            let remedy = "take the volume from one of the two, or keep the disks with: pvc vm undefine";
            return Err(StorageRefusal::UsedBy {
                volume: path.clone(),
                vm: other.vm.value.name.clone(),
                remedy,
            }
            .into());
        }
        let clones: Vec<String> = clones_of(on.cluster, path, None).map(ToString::to_string).collect();
        if !clones.is_empty() {
            return Err(StorageRefusal::HasClones { what: path.to_string(), clones }.into());
        }
        records = on.lock(records, path, VolumeState::Removing)?;
        volumes.push(path.clone());
    }
    let mut pools: Vec<_> = volumes.iter().map(|path| &path.pool).collect();
    pools.sort();
    pools.dedup();
    for pool in pools {
        records = on.guard_pool(records, pool)?;
    }
    let wish = Wish { power: Power::DisableNow, serial: vm.wish.serial + 1, at: on.now };
    let going = Vm { wish, transfer: None, parked: false, removal: Some(on.task), ..vm.clone() };
    let records = records.write(RecordId::Vm(id), entry.vm.expect(), going.into());
    on.begin(StorageWork::RemoveVm { vm: id, name: vm.name.clone(), volumes }, records)
}

/// Releases the locks on a VM's volumes, because the operator says that whoever holds them writes no more.
///
/// # Errors
/// There is no such VM, it has no volumes, or it is not down.
pub fn flush_locks(on: Occasion<'_>, id: VmId) -> Accepted {
    let entry = known(on, id)?;
    let (vm, state) = (&entry.vm.value, shown_state(entry));
    let is_down = entry.fact.as_ref().is_none_or(|fact| !fact.value.runs());
    let refuse = |remedy| Err(Refusal::WrongState { name: vm.name.clone(), state, remedy });
    match (state, is_down) {
        (State::Stop | State::Disable | State::Fail | State::Mirror, true) => {}
        (State::Stop | State::Disable | State::Fail | State::Mirror, false) => {
            return refuse("its guest is not down yet, so try again in a moment");
        }
        _ => return refuse("stop it first: the locks of a VM that runs are its own"),
    }
    if vm.volumes.is_empty() {
        return Err(StorageRefusal::NoVolumes { vm: vm.name.clone() }.into());
    }
    let volumes = vm.volumes.iter().map(|used| used.path.clone()).collect();
    let records = Records::default()
        .guard(RecordId::Vm(id), entry.vm.expect())
        .guard(RecordId::VmFact(id), expect_of(entry.fact.as_ref()));
    on.begin(StorageWork::FlushLocks { vm: id, name: vm.name.clone(), volumes }, records)
}

fn known(on: Occasion<'_>, id: VmId) -> Result<&VmEntry, Refusal> {
    on.cluster.vms.get(&id).map(AsRef::as_ref).ok_or_else(|| Refusal::VmUnknown { vm: id.to_string() })
}

/// Another VM that has this volume.
pub(super) fn other_user<'a>(on: Occasion<'a>, id: VmId, path: &VolumePath) -> Option<&'a VmEntry> {
    let mut others =
        on.cluster.vms.iter().filter(|(other, entry)| **other != id && entry.vm.value.uses(path));
    others.next().map(|(_, entry)| &**entry)
}
