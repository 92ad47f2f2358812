//! Waiting for the storage: until an OSD is up, and until one may go. Never is "it took too long" taken for "it is done".

use std::time::Duration;

use logic::storage::osd::{OsdId, OsdUuid};

use super::{Error, Roster, Safety};

/// How often the storage is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Lets time pass between two looks.
pub trait Pause {
    /// Lets this time pass. Says whether whoever waits shall go on.
    fn pause(&self, time: Duration) -> bool;
}

fn ended(osd: OsdId) -> Error {
    Error::failed(format!("wait for osd.{osd}"), "whoever waited was stopped; the task goes on where it was")
}

/// The member's number; an error where there is no such member.
fn number(roster: &dyn Roster, osd: OsdUuid) -> Result<OsdId, Error> {
    let members = roster.members()?;
    let found = members.into_iter().find(|(_, uuid)| *uuid == osd);
    found
        .map(|(id, _)| id)
        .ok_or_else(|| Error::failed("wait for the OSD", format!("the storage knows no OSD {osd}")))
}

/// Waits until the storage says that an OSD is up.
///
/// # Errors
/// It is not after so long, or the storage does not know it.
pub fn await_up(roster: &dyn Roster, osd: OsdUuid, limit: Duration, pause: &dyn Pause) -> Result<(), Error> {
    let id = number(roster, osd)?;
    let mut waited = Duration::ZERO;
    loop {
        if roster.standing(id)?.is_some_and(|standing| standing.is_up) {
            return Ok(());
        }
        if waited >= limit {
            let why = format!(
                "it was started {} s ago, and the storage does not say that it is up",
                limit.as_secs()
            );
            return Err(Error::failed(format!("bring osd.{id} up"), why));
        }
        if !pause.pause(INTERVAL) {
            return Err(ended(id));
        }
        waited += INTERVAL;
    }
}

/// Waits until nothing is lost when an OSD is destroyed, for as long as its data moves away.
///
/// # Errors
/// Nothing has moved for as long as `patience`: what it still keeps is part of the error.
pub fn await_safe(
    roster: &dyn Roster,
    osd: OsdId,
    patience: Duration,
    pause: &dyn Pause,
) -> Result<(), Error> {
    let mut least = (u32::MAX, u64::MAX);
    let mut still = Duration::ZERO;
    loop {
        // One that nobody knows holds nothing.
        let Some(standing) = roster.standing(osd)? else { return Ok(()) };
        let Safety::Unsafe { why } = standing.safety else { return Ok(()) };
        let left = (standing.placement_group_count, standing.astray_count);
        if left.0 < least.0 || left.1 < least.1 {
            still = Duration::ZERO;
            least = (left.0.min(least.0), left.1.min(least.1));
        }
        if still >= patience {
            let why = format!(
                "it is not safe to destroy it ({why}): {} placement groups are on it, and nothing has moved for {} s; \
                 see that the other OSDs have room, or add one",
                left.0,
                patience.as_secs()
            );
            return Err(Error::failed(format!("remove osd.{osd}"), why));
        }
        if !pause.pause(INTERVAL) {
            return Err(ended(osd));
        }
        still += INTERVAL;
    }
}
