//! What takes both ports: a member of the storage, and what of a machine bears it.

use logic::id::NodeName;
use logic::storage::osd::change::Preparation;
use logic::storage::osd::record::{OsdShown, OsdsLooked};
use logic::storage::osd::{DeviceChoice, OsdId, OsdUuid, Weight};

use super::{Devices, Error, Roster};
use crate::storage::Error as StorageError;

/// The number of a member.
///
/// # Errors
/// There is no member of this identity.
pub(super) fn demand(roster: &dyn Roster, osd: OsdUuid) -> Result<OsdId, Error> {
    number(roster, osd)?
        .ok_or_else(|| Error::refused(format!("the storage knows no OSD {osd}"), "see its list of OSDs"))
}

/// The storage knows of an OSD, and the machine's device bears it.
///
/// # Errors
/// As with [`Roster::register`] and [`Devices::prepare`].
pub fn prepare(devices: &dyn Devices, roster: &dyn Roster, preparation: &Preparation) -> Result<(), Error> {
    let member = roster.register(preparation.uuid, preparation.replaces)?;
    devices.prepare(&member, preparation)
}

/// The machine has what it needs to run an OSD that its device bears, and that the storage knows.
///
/// # Errors
/// The storage knows no such OSD, or the device does not bear it.
pub fn restore(
    devices: &dyn Devices,
    roster: &dyn Roster,
    device: &DeviceChoice,
    osd: OsdUuid,
) -> Result<(), Error> {
    // Who is no member would be made one.
    demand(roster, osd)?;
    let member = roster.register(osd, None)?;
    devices.restore(&member, device)
}

/// The member is in the placement rules.
///
/// # Errors
/// As with [`Roster::place`]; there is no such member.
pub fn place(roster: &dyn Roster, osd: OsdUuid, node: &NodeName, weight: Weight) -> Result<(), Error> {
    Ok(roster.place(demand(roster, osd)?, node, weight)?)
}

/// The member of this number and identity is forgotten but for its number. Done where the number is another one's, or
/// nobody's.
///
/// # Errors
/// As with [`Roster::destroy`].
pub fn destroy(roster: &dyn Roster, id: OsdId, osd: OsdUuid) -> Result<(), Error> {
    match number(roster, osd)? {
        Some(own) if own == id => Ok(roster.destroy(id)?),
        _ => Ok(()),
    }
}

/// There is no member of this number and identity. One that was destroyed has its number alone, and that is forgotten too.
///
/// # Errors
/// As with [`Roster::purge`].
pub fn purge(roster: &dyn Roster, id: Option<OsdId>, osd: OsdUuid) -> Result<(), Error> {
    let members = roster.members()?;
    let own = members.iter().find(|(_, uuid)| *uuid == osd).map(|(id, _)| *id);
    let is_free = |id: &OsdId| members.iter().all(|(taken, _)| taken != id);
    let Some(id) = own.or(id.filter(is_free)) else { return Ok(()) };
    match roster.purge(id) {
        // An earlier purge may have taken effect, and its answer have been lost.
        Err(StorageError::Refused { .. }) if roster.standing(id)?.is_none() => Ok(()),
        told => Ok(told?),
    }
}

/// What there is of these OSDs, on the machine and in the storage.
///
/// # Errors
/// One of the two does not tell.
pub fn look(devices: &dyn Devices, roster: &dyn Roster, osds: &[OsdUuid]) -> Result<OsdsLooked, Error> {
    let members = roster.members()?;
    let mut looked = OsdsLooked { db_device: devices.db_device()?, ..OsdsLooked::default() };
    for osd in osds {
        let member = members.iter().find(|(_, uuid)| uuid == osd).map(|(id, _)| *id);
        let borne = devices.borne(*osd)?;
        let Some(id) = member.or(borne.as_ref().map(|(id, _)| *id)) else { continue };
        let borne = borne.map(|(_, borne)| borne);
        looked.osds.insert(*osd, OsdShown { id, borne, is_known: member.is_some() });
    }
    Ok(looked)
}

/// The number of a member; `None` where there is no member of this identity.
fn number(roster: &dyn Roster, osd: OsdUuid) -> Result<Option<OsdId>, Error> {
    Ok(roster.members()?.into_iter().find(|(_, uuid)| *uuid == osd).map(|(id, _)| id))
}
