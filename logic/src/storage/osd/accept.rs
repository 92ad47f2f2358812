//! Whether an operator's request about OSDs is allowed now, and the records it writes: the OSD's own record, or that of its
//! node's devices, which is the lock from then on, and the task that does what was asked.

use super::record::{NodeDevices, Osd, OsdState};
use super::work::{Care, OsdWork, Reach, Side};
use super::{DbSize, DeviceChoice, OsdFlag, OsdId, OsdRefusal, OsdUuid, Weight};
use crate::id::NodeName;
use crate::limits::OSDS_OF_DEVICE_MAX;
use crate::record::{Expect, RecordId, Records, Versioned, expect_of};
use crate::refusal::Refusal;
use crate::storage::accept::{Accepted, Occasion, worker};
use crate::storage::{StorageRefusal, size};
use crate::task::{Task, Work};

/// OSDs that are to be laid on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddOsd {
    /// The node.
    pub node: NodeName,
    /// Its device.
    pub device: DeviceChoice,
    /// How much each of them counts.
    pub weight: Weight,
    /// Where their databases lie, if not with the data.
    pub db: Option<DbSize>,
    /// Fresh random identities, one for each OSD that the device is split into.
    pub osds: Vec<OsdUuid>,
}

/// An OSD that takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceOsd {
    /// The number that stays.
    pub osd: OsdId,
    /// The device that will bear it.
    pub device: DeviceChoice,
    /// The device that bears the one that goes, if the operator has named it: checked against what is recorded.
    pub old_device: Option<String>,
    /// How much it counts.
    pub weight: Weight,
    /// Where its database lies, if not with the data.
    pub db: Option<DbSize>,
    /// A fresh random identity.
    pub new: OsdUuid,
}

/// The size of databases from what a request says of it: a ratio, or a size such as `20G`.
///
/// # Errors
/// Both are given, or one that cannot be.
pub fn db_size(ratio: Option<f64>, size: Option<&str>) -> Result<Option<DbSize>, Refusal> {
    match (ratio, size) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(OsdRefusal::TwoSizes.into()),
        (Some(ratio), None) => match Weight::of(ratio).filter(|ppm| (1..1_000_000).contains(&ppm.0)) {
            Some(ppm) => Ok(u32::try_from(ppm.0).ok().map(DbSize::Ratio)),
            None => Err(OsdRefusal::BadRatio { ratio: ratio.to_string() }.into()),
        },
        (None, Some(text)) => {
            let bytes = size::parse(text).map_err(|bad| OsdRefusal::BadRatio { ratio: bad.to_string() })?;
            Ok(Some(DbSize::Bytes(bytes)))
        }
    }
}

/// The weight from what a request says.
///
/// # Errors
/// It cannot be.
pub fn weight(number: f64) -> Result<Weight, Refusal> {
    Weight::of(number).ok_or_else(|| OsdRefusal::BadWeight { weight: number.to_string() }.into())
}

impl From<OsdRefusal> for Refusal {
    fn from(refusal: OsdRefusal) -> Self {
        Refusal::Storage(StorageRefusal::Osd(refusal))
    }
}

/// Lays OSDs on a device of a node.
///
/// # Errors
/// The node is unknown or gone, its devices are in another task's hands, or the device is known to bear an OSD. What else
/// is on it is found out by the task.
pub fn add(occasion: Occasion<'_>, request: AddOsd) -> Accepted {
    let AddOsd { node, device, weight, db, osds } = request;
    let max = OSDS_OF_DEVICE_MAX;
    if !(1..=max).contains(&u32::try_from(osds.len()).unwrap_or(u32::MAX)) {
        return Err(OsdRefusal::BadCount { count: osds.len(), max }.into());
    }
    there(occasion, &node)?;
    vacant(occasion, &node, &device, None)?;
    db_is_there(occasion, &node, db)?;
    let records = hold_devices(occasion, &node, "adding OSDs")?;
    begin(occasion, OsdWork::Add { node: node.clone(), device, weight, db, osds }, (node, records))
}

/// Puts another OSD in the place of one, under its number.
///
/// # Errors
/// As with [`add`]; there is no such OSD, or it shares its device with others.
pub fn replace(occasion: Occasion<'_>, request: ReplaceOsd) -> Accepted {
    let ReplaceOsd { osd, device, old_device, weight, db, new } = request;
    let known = free(occasion, osd)?;
    let Osd { node, device: on, uuid: old, is_split, .. } = known.value.clone();
    if let Some(given) = old_device.filter(|given| *given != on) {
        return Err(OsdRefusal::OtherDevice { osd, device: on, given }.into());
    }
    if is_split {
        return Err(OsdRefusal::Split { osd }.into());
    }
    there(occasion, &node)?;
    vacant(occasion, &node, &device, Some(osd))?;
    db_is_there(occasion, &node, db)?;
    let records = hold_devices(occasion, &node, "replacing an OSD")?;
    let records = hold(occasion, records, (osd, known), OsdState::Replacing);
    let side = side(occasion, osd);
    let work =
        OsdWork::Replace { node: node.clone(), osd, old, old_device: on, side, new, device, weight, db };
    begin(occasion, work, (node, records))
}

/// Has a node that was built anew take an OSD over from its device.
///
/// # Errors
/// There is no such OSD, it was destroyed, or its node is gone.
pub fn refresh(occasion: Occasion<'_>, osd: OsdId, device: DeviceChoice) -> Accepted {
    let known = free(occasion, osd)?;
    if matches!(known.value.state, OsdState::Destroyed { .. }) {
        return Err(OsdRefusal::Destroyed { osd }.into());
    }
    let (node, uuid) = (known.value.node.clone(), known.value.uuid);
    there(occasion, &node)?;
    let records = hold_devices(occasion, &node, "taking an OSD over")?;
    let records = hold(occasion, records, (osd, known), OsdState::Refreshing);
    begin(occasion, OsdWork::Refresh { node: node.clone(), osd, uuid, device }, (node, records))
}

/// Removes an OSD. Without force it goes when nothing is lost by that, however long that takes; force leaves that out, and
/// says so. Where its node is gone, force removes it from the storage alone.
///
/// # Errors
/// There is no such OSD, a task has it, or its node is gone.
pub fn remove(occasion: Occasion<'_>, osd: OsdId, care: Care) -> Accepted {
    let known = recorded(occasion, osd)?;
    let (node, uuid) = (known.value.node.clone(), known.value.uuid);
    let side = side(occasion, osd);
    let (reach, records) = match (is_there(occasion, &node), care) {
        (true, _) => {
            let known = free(occasion, osd)?;
            let records = hold_devices(occasion, &node, "removing an OSD")?;
            (Reach::There, hold(occasion, records, (osd, known), OsdState::Removing))
        }
        (false, Care::Safe) => return Err(OsdRefusal::NodeGone { node, osd }.into()),
        (false, Care::Forced) => {
            let records = Records::default().guard(RecordId::Presence(node.clone()), Expect::Absent);
            // A task of a node that is gone ends nothing any more.
            let records = forgotten(occasion, records, known)?;
            (Reach::Gone, hold(occasion, records, (osd, known), OsdState::Removing))
        }
    };
    let run_on = match reach {
        Reach::There => node.clone(),
        Reach::Gone => worker(occasion.cluster)?,
    };
    begin(occasion, OsdWork::Remove { node, osd, uuid, side, care, reach }, (run_on, records))
}

/// Gives a node a device for the databases of its OSDs.
///
/// # Errors
/// It has one, is gone, or its devices are in another task's hands.
pub fn add_db(occasion: Occasion<'_>, node: NodeName, device: DeviceChoice) -> Accepted {
    there(occasion, &node)?;
    vacant(occasion, &node, &device, None)?;
    let devices = occasion.cluster.devices.get(&node);
    if let Some(device) = devices.and_then(|devices| devices.value.db_device.clone()) {
        return Err(OsdRefusal::HasDb { node, device }.into());
    }
    let records = hold_devices(occasion, &node, "making a device for databases")?;
    begin(occasion, OsdWork::AddDb { node: node.clone(), device }, (node, records))
}

/// Puts an OSD in: data is placed on it.
///
/// # Errors
/// There is no such OSD, or a task has it.
pub fn mark_in(occasion: Occasion<'_>, osd: OsdId) -> Accepted {
    mark(occasion, osd, OsdWork::MarkIn { osd })
}

/// Puts an OSD out: its data is moved elsewhere.
///
/// # Errors
/// There is no such OSD, or a task has it.
pub fn mark_out(occasion: Occasion<'_>, osd: OsdId) -> Accepted {
    mark(occasion, osd, OsdWork::MarkOut { osd })
}

fn mark(occasion: Occasion<'_>, osd: OsdId, work: OsdWork) -> Accepted {
    let records = match recorded(occasion, osd) {
        Ok(_) => hold(occasion, Records::default(), (osd, free(occasion, osd)?), OsdState::Marking),
        // One that PVC has not made is known from what the storage tells.
        Err(OsdRefusal::Foreign { .. }) => Records::default(),
        Err(refusal) => return Err(refusal.into()),
    };
    begin(occasion, work, (worker(occasion.cluster)?, records))
}

/// Sets a flag of the whole storage.
///
/// # Errors
/// Nobody holds the primary role.
pub fn set_flag(occasion: Occasion<'_>, flag: OsdFlag) -> Accepted {
    begin(occasion, OsdWork::SetFlag { flag }, (worker(occasion.cluster)?, Records::default()))
}

/// Unsets a flag of the whole storage.
///
/// # Errors
/// Nobody holds the primary role.
pub fn unset_flag(occasion: Occasion<'_>, flag: OsdFlag) -> Accepted {
    begin(occasion, OsdWork::UnsetFlag { flag }, (worker(occasion.cluster)?, Records::default()))
}

/// Adds the task to what is written.
fn begin(occasion: Occasion<'_>, work: OsdWork, (run_on, records): (NodeName, Records)) -> Accepted {
    let task = Task { work: Work::Osd(work), run_on, asked: occasion.now };
    let records = records.write(RecordId::Task(occasion.task), Expect::Absent, task.clone().into());
    Ok((task, records))
}

fn is_there(occasion: Occasion<'_>, node: &NodeName) -> bool {
    occasion.cluster.nodes.get(node).is_some_and(|entry| entry.presence.is_some())
}

fn there(occasion: Occasion<'_>, node: &NodeName) -> Result<(), Refusal> {
    let Some(entry) = occasion.cluster.nodes.get(node).filter(|entry| entry.node.is_some()) else {
        return Err(Refusal::NodeUnknown { node: node.to_string() });
    };
    match entry.presence {
        Some(_) => Ok(()),
        None => Err(Refusal::NodeDown { node: node.clone(), state: crate::node::DaemonState::Dead }),
    }
}

/// An OSD's record.
fn recorded<'a>(occasion: Occasion<'a>, osd: OsdId) -> Result<&'a Versioned<Osd>, OsdRefusal> {
    let signed = i32::try_from(osd.0).unwrap_or(-1);
    let is_told =
        occasion.cluster.osd_facts.as_ref().is_some_and(|facts| facts.value.osds.contains_key(&signed));
    match occasion.cluster.osds.get(&osd) {
        Some(known) => Ok(known),
        None if is_told => Err(OsdRefusal::Foreign { osd }),
        None => Err(OsdRefusal::Unknown { osd }),
    }
}

/// An OSD that no task has.
fn free<'a>(occasion: Occasion<'a>, osd: OsdId) -> Result<&'a Versioned<Osd>, OsdRefusal> {
    let known = recorded(occasion, osd)?;
    match known.value.task {
        Some(task) => {
            let doing = known.value.state.doing().unwrap_or("being changed");
            Err(OsdRefusal::Busy { osd, doing, task })
        }
        None => Ok(known),
    }
}

/// Whether data is placed on an OSD, as the storage told last; one of which nothing is known is taken for in.
fn side(occasion: Occasion<'_>, osd: OsdId) -> Side {
    let signed = i32::try_from(osd.0).unwrap_or(-1);
    let told = occasion.cluster.osd_facts.as_ref().and_then(|facts| facts.value.osds.get(&signed));
    match told.is_some_and(|osd| !osd.r#in) {
        true => Side::Out,
        false => Side::In,
    }
}

/// No OSD but this one is recorded on the device.
fn vacant(
    occasion: Occasion<'_>,
    node: &NodeName,
    device: &DeviceChoice,
    except: Option<OsdId>,
) -> Result<(), OsdRefusal> {
    let path = device.to_string();
    let bears = |(id, osd): &(&OsdId, &std::sync::Arc<Versioned<Osd>>)| {
        Some(**id) != except && osd.value.node == *node && osd.value.device == path
    };
    match occasion.cluster.osds.iter().find(bears) {
        Some((osd, _)) => Err(OsdRefusal::DeviceTaken { node: node.clone(), device: path, osd: *osd }),
        None => Ok(()),
    }
}

fn db_is_there(occasion: Occasion<'_>, node: &NodeName, db: Option<DbSize>) -> Result<(), OsdRefusal> {
    let devices = occasion.cluster.devices.get(node);
    let is_there = devices.is_some_and(|devices| devices.value.db_device.is_some());
    match db {
        Some(_) if !is_there => Err(OsdRefusal::NoDb { node: node.clone() }),
        _ => Ok(()),
    }
}

/// The node's devices in the hands of the task.
fn hold_devices(occasion: Occasion<'_>, node: &NodeName, doing: &str) -> Result<Records, OsdRefusal> {
    let known = occasion.cluster.devices.get(node);
    let devices = known.map(|devices| devices.value.clone()).unwrap_or_default();
    if let Some((task, doing)) = devices.task {
        return Err(OsdRefusal::NodeBusy { node: node.clone(), doing, task });
    }
    let held = NodeDevices { task: Some((occasion.task, doing.to_owned())), ..devices };
    let expect = expect_of(known.map(|devices| &**devices));
    Ok(Records::default().write(RecordId::NodeDevices(node.clone()), expect, held.into()))
}

/// The OSD in the hands of the task.
fn hold(
    occasion: Occasion<'_>,
    records: Records,
    (osd, known): (OsdId, &Versioned<Osd>),
    state: OsdState,
) -> Records {
    let held = Osd { state, task: Some(occasion.task), ..known.value.clone() };
    records.write(RecordId::Osd(osd), known.expect(), held.into())
}

/// The task that has an OSD, and whose node is gone, is forgotten; one of a node that is there is not.
fn forgotten(
    occasion: Occasion<'_>,
    records: Records,
    known: &Versioned<Osd>,
) -> Result<Records, OsdRefusal> {
    let Some(task) = known.value.task else { return Ok(records) };
    let Some(entry) = occasion.cluster.tasks.get(&task) else { return Ok(records) };
    if is_there(occasion, &entry.task.value.run_on) {
        let osd = entry.task.value.work.osd().unwrap_or_default();
        return Err(OsdRefusal::Busy {
            osd,
            doing: known.value.state.doing().unwrap_or("being changed"),
            task,
        });
    }
    let records = records.delete(RecordId::Task(task), entry.task.expect());
    Ok(match &entry.fact {
        Some(fact) => records.delete(RecordId::TaskFact(task), fact.expect()),
        None => records.guard(RecordId::TaskFact(task), Expect::Absent),
    })
}

#[cfg(test)]
mod tests;
