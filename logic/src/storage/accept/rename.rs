//! Whether a VM may be renamed together with its volumes: all of them, or none.
//!
//! | a volume of the VM | what becomes of it |
//! |---|---|
//! | is called as the VM, or begins with the VM's name and `_` | it is called after the new name |
//! | is called otherwise | it keeps its name |
//! | is not known to PVC | it keeps its name |
//! | would get a name that is taken, or cannot be one; is in work; is another VM's as well | the VM is not renamed |

use super::{Accepted, Occasion};
use crate::id::{VmId, VmName, VolumeName};
use crate::record::{Expect, RecordId, Records, VmNameOwner, expect_of};
use crate::storage::record::VolumeState;
use crate::storage::work::StorageWork;
use crate::storage::{StorageRefusal, VolumePath};
use crate::vm::accept::renamable;
use crate::vm::domain::DomainError;
use crate::vm::{Vm, domain};

/// Those of a VM's volumes that are called after it and known to PVC.
pub fn namesakes(cluster: &crate::cluster::Cluster, vm: &Vm) -> Vec<VolumePath> {
    let is_namesake =
        |path: &&VolumePath| behind(&path.volume, &vm.name).is_some() && cluster.volumes.contains_key(*path);
    vm.volumes.iter().map(|used| &used.path).filter(is_namesake).cloned().collect()
}

/// Gives a VM that does not run another name, and those of its volumes that are called after it. The document must be at
/// hand.
///
/// # Errors
/// [`crate::refusal::Refusal`] names what is in the way; nothing is changed then.
pub fn rename_vm(on: Occasion<'_>, id: VmId, name: &str) -> Accepted {
    let (entry, to) = renamable(on.cluster, id, name)?;
    let vm = &entry.vm.value;
    let xml = entry.xml.as_ref().ok_or(DomainError::Missing { field: "domain" })?;
    // A document that cannot be read now will not be when the volumes have moved.
    domain::parse(&xml.value)?;
    let mut records = Records::default();
    let mut volumes: Vec<(VolumePath, VolumeName)> = Vec::new();
    for path in namesakes(on.cluster, vm) {
        let rest = behind(&path.volume, &vm.name).unwrap_or_default();
        let name: VolumeName = format!("{to}{rest}").parse()?;
        if let Some(other) = super::vm::other_user(on, id, &path) {
            let remedy = "take the volume from one of the two first: the other one's document names it";
            let vm = other.vm.value.name.clone();
            return Err(StorageRefusal::UsedBy { volume: path, vm, remedy }.into());
        }
        let volume = on.ready_volume(&path)?;
        let target = path.beside(&name);
        on.free_name(&target)?;
        let awaited = on.fresh(volume.value.size_bytes, VolumeState::Awaited { from: path.volume.clone() });
        records = on.lock(records, &path, VolumeState::Renaming { to: name.clone() })?.write(
            RecordId::Volume(target),
            Expect::Absent,
            awaited.into(),
        );
        volumes.push((path, name));
    }
    let mut pools: Vec<_> = volumes.iter().map(|(path, _)| &path.pool).collect();
    pools.sort();
    pools.dedup();
    for pool in pools {
        records = on.guard_pool(records, pool)?;
    }
    let held = Vm { renaming: Some(on.task), ..vm.clone() };
    let records = records
        .guard(RecordId::VmFact(id), expect_of(entry.fact.as_ref()))
        .guard(RecordId::VmXml(id), xml.expect())
        .write(RecordId::Vm(id), entry.vm.expect(), held.into())
        .write(RecordId::VmName(to.clone()), Expect::Absent, VmNameOwner { vm: id }.into());
    let (from, document) = (vm.name.clone(), xml.value.to_string());
    on.begin(StorageWork::RenameVm { vm: id, from, to, volumes, document }, records)
}

/// What of a volume's name stands behind that of the VM that it is called after; `None` of one that is not.
fn behind<'a>(volume: &'a VolumeName, vm: &VmName) -> Option<&'a str> {
    let rest = volume.as_str().strip_prefix(vm.as_str())?;
    (rest.is_empty() || rest.starts_with('_')).then_some(rest)
}

#[cfg(test)]
mod tests;
