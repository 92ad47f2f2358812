//! What a task about OSDs leaves in the records with its end: what a look showed, and not what was wanted.

use super::record::{NodeDevices, Osd, OsdShown, OsdState, OsdsLooked};
use super::work::OsdWork;
use super::{OsdId, OsdUuid};
use crate::cluster::Cluster;
use crate::id::{NodeName, TaskId};
use crate::record::{RecordId, Records, expect_of};
use crate::storage::end::End;
use crate::task::Failed;

/// A task about OSDs whose last stage has ended.
#[derive(Clone, Copy, Debug)]
pub struct OsdsFinished<'a> {
    /// The records.
    pub cluster: &'a Cluster,
    /// Which task.
    pub task: TaskId,
    /// What it does.
    pub work: &'a OsdWork,
    /// Which stage failed, if one did.
    pub failed: Option<&'a Failed>,
    /// What the last look showed; `None` where there was none, or it was refused.
    pub looked: Option<&'a OsdsLooked>,
}

/// What is written with the end.
pub fn osds_ended(finished: OsdsFinished<'_>) -> End {
    let failure = finished.failed.map(|failed| failed.why.clone());
    let mut end = End { failure, records: finished.devices() };
    match finished.work {
        OsdWork::Add { node, osds, .. } => {
            for osd in osds {
                finished.added(node, *osd, &mut end);
            }
        }
        OsdWork::Replace { osd, old, new, .. } => finished.settled(*osd, &[*new, *old], &mut end),
        OsdWork::Refresh { osd, uuid, .. } | OsdWork::Remove { osd, uuid, .. } => {
            finished.settled(*osd, &[*uuid], &mut end);
        }
        OsdWork::MarkIn { osd } | OsdWork::MarkOut { osd } => finished.settled(*osd, &[], &mut end),
        OsdWork::AddDb { .. } | OsdWork::SetFlag { .. } | OsdWork::UnsetFlag { .. } => {}
    }
    end
}

impl OsdsFinished<'_> {
    fn shown(&self, osd: OsdUuid) -> Option<&OsdShown> {
        self.looked?.osds.get(&osd)
    }

    /// The node's devices are in nobody's hands.
    fn devices(&self) -> Records {
        let records = Records::default();
        let Some(node) = self.work.node() else { return records };
        let Some(known) = self.cluster.devices.get(node) else { return records };
        if known.value.task.as_ref().is_none_or(|(task, _)| *task != self.task) {
            return records;
        }
        let db_device = match self.looked {
            Some(looked) => looked.db_device.clone(),
            None => known.value.db_device.clone(),
        };
        records.write(
            RecordId::NodeDevices(node.clone()),
            known.expect(),
            NodeDevices { db_device, task: None }.into(),
        )
    }

    /// An OSD that was to be made: it is recorded if the storage knows it, also if it is of no use.
    fn added(&self, node: &NodeName, uuid: OsdUuid, end: &mut End) {
        let Some(shown) = self.shown(uuid).filter(|shown| shown.is_known) else {
            end.failure
                .get_or_insert_with(|| format!("OSD {uuid} was made, and the storage does not know it"));
            return;
        };
        let unused = Osd {
            node: node.clone(),
            device: String::new(),
            db_device: None,
            uuid,
            is_split: false,
            volume: None,
            state: OsdState::Ready,
            task: None,
        };
        let why = end.failure.clone();
        let osd = becomes(unused, shown, why);
        let expect = expect_of(self.cluster.osds.get(&shown.id).map(|known| &**known));
        let records = std::mem::take(&mut end.records);
        end.records = records.write(RecordId::Osd(shown.id), expect, osd.into());
    }

    /// An OSD that was there: it is the first of these identities that the storage knows, and without any it is gone.
    fn settled(&self, id: OsdId, identities: &[OsdUuid], end: &mut End) {
        let Some(known) = self.cluster.osds.get(&id).filter(|osd| osd.value.task == Some(self.task)) else {
            return;
        };
        let (record, expect) = (RecordId::Osd(id), known.expect());
        let released = Osd { task: None, state: self.former(&known.value), ..known.value.clone() };
        let records = std::mem::take(&mut end.records);
        let is_shown =
            |uuid: &&OsdUuid| self.shown(**uuid).is_some_and(|shown| shown.is_known && shown.id == id);
        let found = identities.iter().find(is_shown);
        end.records = match (self.work, self.looked, found) {
            // Whoever looks from elsewhere sees nothing of the OSD's node.
            (OsdWork::MarkIn { .. } | OsdWork::MarkOut { .. }, ..) | (_, None, _) => {
                records.write(record, expect, released.into())
            }
            (OsdWork::Remove { .. }, Some(_), None) => records.delete(record, expect),
            (OsdWork::Remove { .. }, Some(_), Some(_)) => {
                end.failure.get_or_insert_with(|| format!("OSD {id} was removed, and is there again"));
                records.write(record, expect, released.into())
            }
            (_, Some(_), Some(uuid)) => {
                let shown = self.shown(*uuid).expect("it was just found");
                let osd = match &shown.borne {
                    // It is the same, and its node knows nothing of it, as before.
                    None if *uuid == released.uuid => released,
                    _ => becomes(Osd { uuid: *uuid, ..released }, shown, end.failure.clone()),
                };
                records.write(record, expect, osd.into())
            }
            (_, Some(_), None) => {
                let why = "the storage knows nothing of it any more".to_owned();
                let why = end.failure.get_or_insert(why).clone();
                records.write(record, expect, Osd { state: OsdState::Destroyed { why }, ..released }.into())
            }
        };
    }

    /// How an OSD stood before the task: what was destroyed by an earlier one is no better for this one's failure.
    fn former(&self, osd: &Osd) -> OsdState {
        match osd.device.is_empty() {
            true => OsdState::Destroyed { why: "a change of it failed".into() },
            false => OsdState::Ready,
        }
    }
}

/// An OSD as it is shown.
fn becomes(osd: Osd, shown: &OsdShown, failure: Option<String>) -> Osd {
    match &shown.borne {
        Some(borne) => Osd {
            device: borne.device.clone(),
            db_device: borne.db_device.clone(),
            is_split: borne.is_split,
            volume: borne.volume.clone(),
            state: OsdState::Ready,
            ..osd
        },
        None => {
            let why = failure.unwrap_or_else(|| "nothing of its node bears it".into());
            Osd { device: String::new(), db_device: None, state: OsdState::Destroyed { why }, ..osd }
        }
    }
}

#[cfg(test)]
mod tests;
