//! A step on OSDs, performed: a call of the ports for each change, and no choice.

use std::time::Duration;

use host::osd::{Occasion, await_safe, await_up, whole};
use logic::storage::osd::change::OsdChange;
use logic::storage::record::Looked;
use logic::time::Span;

use super::Done;
use crate::world::{Fault, World};

/// Changes something of OSDs, or looks at them.
///
/// # Errors
/// [`Fault::Osd`] and [`Fault::Storage`] in the words of whoever refused; [`Fault::NoOsds`] where the storage has none.
pub fn change_osds(world: &World, change: &OsdChange) -> Result<Done, Fault> {
    let storage = world.storage.as_ref().ok_or(Fault::NoStorage)?;
    let roster = storage.roster().ok_or(Fault::NoOsds)?;
    let devices = &*world.devices;
    match change {
        OsdChange::ExpectEmptyDevice { device } => drop(devices.empty(device)?),
        OsdChange::ExpectOsdOnDevice { device, osd } => drop(devices.bearing(device, *osd)?),
        OsdChange::PrepareOsd(preparation) => whole::prepare(devices, roster, preparation)?,
        OsdChange::RestoreOsd { device, uuid, .. } => whole::restore(devices, roster, device, *uuid)?,
        OsdChange::PlaceOsd { osd, node, weight } => whole::place(roster, *osd, node, *weight)?,
        OsdChange::StartOsd { osd } => devices.start(*osd, Occasion::Task)?,
        OsdChange::ReviveOsd { osd } => devices.start(*osd, Occasion::Boot)?,
        OsdChange::AwaitOsdUp { osd, limit } => await_up(roster, *osd, lasting(*limit), &*world.pause)?,
        OsdChange::MarkOsdIn { osd } => roster.mark_in(*osd)?,
        OsdChange::MarkOsdOut { osd } => roster.mark_out(*osd)?,
        OsdChange::AwaitOsdSafe { osd, patience } => {
            await_safe(roster, *osd, lasting(*patience), &*world.pause)?;
        }
        OsdChange::StopOsd { osd } => devices.stop(*osd)?,
        OsdChange::DestroyOsd { osd, uuid } => whole::destroy(roster, *osd, *uuid)?,
        OsdChange::PurgeOsd { osd, uuid } => whole::purge(roster, *osd, *uuid)?,
        OsdChange::WipeOsd { uuid } => devices.wipe(*uuid)?,
        OsdChange::EnsureOsdDb { device } => devices.ensure_db(device)?,
        OsdChange::SetOsdFlag { flag } => roster.set_flag(*flag)?,
        OsdChange::UnsetOsdFlag { flag } => roster.unset_flag(*flag)?,
        OsdChange::LookAtOsds { osds } => {
            let looked = Looked { osds: whole::look(devices, roster, osds)?, ..Looked::default() };
            return Ok(Done { looked: Some(looked), ..Done::default() });
        }
    }
    Ok(Done::default())
}

fn lasting(span: Span) -> Duration {
    Duration::from_millis(span.0)
}
