//! What a VM's new name leaves in the records: all of its volumes have theirs, or the VM is called as before. Its document
//! follows the volumes in either case, also where one of them could not be given its former name again.

use std::collections::BTreeMap;

use super::{End, Finished};
use crate::record::{Expect, RecordId, VmXml, expect_of};
use crate::storage::VolumePath;
use crate::storage::work::StorageWork;
use crate::vm::Vm;
use crate::vm::domain::disks::VolumeUse;
use crate::vm::domain::render_renamed;

impl Finished<'_> {
    /// The volumes, then the VM, whose record the task holds.
    pub(super) fn rename_vm(&self, end: &mut End) {
        let StorageWork::RenameVm { vm: id, from, to, volumes, document } = self.work else { return };
        let pairs: Vec<(VolumePath, VolumePath)> =
            volumes.iter().map(|(old, new)| (old.clone(), old.beside(new))).collect();
        for (old, new) in &pairs {
            self.rename(old, new, end);
        }
        for (old, new) in &pairs {
            self.follow_volume(old, new, end);
        }
        let moved: BTreeMap<VolumePath, VolumePath> =
            pairs.iter().filter(|(old, new)| self.has_moved(old, new)).cloned().collect();
        let have_all_moved = moved.len() == pairs.len();
        let names: Vec<String> = moved.values().map(ToString::to_string).collect();
        end.failure = match (&self.failed, have_all_moved, names.as_slice()) {
            (_, true, _) => None,
            (failed, false, names) => {
                let why = failed.map(|failed| failed.why.clone()).or(end.failure.take());
                let why = why.unwrap_or_else(|| "a volume has its former name again".into());
                let left = match names {
                    [] => "all of its volumes have their former names".to_owned(),
                    names => format!("of its volumes {} kept their new names", names.join(", ")),
                };
                Some(format!("VM \"{from}\" is not renamed: {why}; {left}"))
            }
        };
        let Some(entry) = self.cluster.vms.get(id).filter(|e| e.vm.value.renaming == Some(self.task)) else {
            return;
        };
        let (name, spare) = if have_all_moved { (to, from) } else { (from, to) };
        let follow = |used: &VolumeUse| {
            let path = moved.get(&used.path).unwrap_or(&used.path).clone();
            VolumeUse { path, ..used.clone() }
        };
        let vm = &entry.vm.value;
        let volumes = vm.volumes.iter().map(follow).collect();
        let renamed = Vm { name: name.clone(), volumes, renaming: None, ..vm.clone() };
        let spare_record = self.cluster.vm_names.get(spare);
        let mut records = std::mem::take(&mut end.records)
            .write(RecordId::Vm(*id), entry.vm.expect(), renamed.into())
            .delete(RecordId::VmName(spare.clone()), expect_of(spare_record));
        // It was read when the task was accepted; from then on it is the task's, and nobody else writes it.
        match render_renamed(document, have_all_moved.then_some(to), &moved) {
            Ok(xml) if have_all_moved || !moved.is_empty() => {
                let xml = VmXml { xml: xml.into() };
                records = records.write(RecordId::VmXml(*id), Expect::Present, xml.into());
            }
            Ok(_) => {}
            Err(error) => end.failure = Some(format!("the VM's document cannot be renamed: {error}")),
        }
        end.records = records;
    }
}
