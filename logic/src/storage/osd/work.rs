//! The long work about OSDs, each as stages that can be made again, and what is undone when one fails.
//!
//! | work | its stages | when one fails |
//! |---|---|---|
//! | add | the device is empty; each OSD is prepared, placed, started and seen up; a look | those that were not seen up are stopped, purged and wiped; a look |
//! | remove | out; its data is elsewhere; stopped; purged; wiped; a look | before it is stopped: in again; before it is purged: started and in again; a look |
//! | replace | the new device is empty; as a removal that keeps the number; then as an addition; in; a look | as a removal; once it is destroyed: what is new and was not seen up is wiped, and the number is kept |
//! | refresh | the device bears it; restored; started; seen up; a look | stopped; a look |
//! | a device for databases | it is made; a look | a look |
//! | in, out, set, unset | that | nothing |
//!
//! That an OSD is safe to destroy is never concluded from the time that was waited. Only force leaves that stage out. One
//! that was seen up takes part: nothing that fails later destroys it.

use serde::{Deserialize, Serialize};

use super::change::{OsdChange, Preparation};
use super::{DbSize, DeviceChoice, OsdFlag, OsdId, OsdUuid, Weight};
use crate::id::NodeName;
use crate::limits::{OSD_DRAIN_PATIENCE, OSD_UP_LIMIT};
use crate::plan::Action;
use crate::task::{Part, Stage};

/// Whether it is waited until an OSD may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Care {
    /// It goes when nothing is lost by that.
    Safe,
    /// It goes, whatever is lost.
    Forced,
}

/// Whether the node that an OSD is in can do its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// It does.
    There,
    /// It is gone: the storage alone is told.
    Gone,
}

/// Whether data was placed on an OSD before the task began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It was.
    In,
    /// It was not.
    Out,
}

/// What is to be done with OSDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum OsdWork {
    /// Lay OSDs on a device.
    Add {
        /// The node.
        node: NodeName,
        /// Its device.
        device: DeviceChoice,
        /// How much each of them counts.
        weight: Weight,
        /// Where their databases lie, if not with the data.
        db: Option<DbSize>,
        /// The identities that they get: as many as the device is split into.
        osds: Vec<OsdUuid>,
    },
    /// Put another OSD in the place of one.
    Replace {
        /// The node.
        node: NodeName,
        /// Its number, which stays.
        osd: OsdId,
        /// The identity of the one that goes.
        old: OsdUuid,
        /// The device that bears that.
        old_device: String,
        /// Whether data is placed on it.
        side: Side,
        /// The identity of the one that comes.
        new: OsdUuid,
        /// The device that will bear it.
        device: DeviceChoice,
        /// How much it counts.
        weight: Weight,
        /// Where its database lies, if not with the data.
        db: Option<DbSize>,
    },
    /// Have a node that was built anew take an OSD over from its device.
    Refresh {
        /// The node.
        node: NodeName,
        /// Its number.
        osd: OsdId,
        /// Its identity.
        uuid: OsdUuid,
        /// The device that bears it.
        device: DeviceChoice,
    },
    /// Remove an OSD and empty its device.
    Remove {
        /// The node.
        node: NodeName,
        /// Its number.
        osd: OsdId,
        /// Its identity.
        uuid: OsdUuid,
        /// Whether data is placed on it.
        side: Side,
        /// Whether it is waited until it may go.
        care: Care,
        /// Whether its node does its part.
        reach: Reach,
    },
    /// Give a node a device for the databases of its OSDs.
    AddDb {
        /// The node.
        node: NodeName,
        /// Its device.
        device: DeviceChoice,
    },
    /// Put an OSD in.
    MarkIn {
        /// Which.
        osd: OsdId,
    },
    /// Put an OSD out.
    MarkOut {
        /// Which.
        osd: OsdId,
    },
    /// Set a flag.
    SetFlag {
        /// Which.
        flag: OsdFlag,
    },
    /// Unset a flag.
    UnsetFlag {
        /// Which.
        flag: OsdFlag,
    },
}

impl OsdWork {
    /// The name clients know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "osd.add",
            Self::Replace { .. } => "osd.replace",
            Self::Refresh { .. } => "osd.refresh",
            Self::Remove { .. } => "osd.remove",
            Self::AddDb { .. } => "osd.add_db_vg",
            Self::MarkIn { .. } => "osd.in",
            Self::MarkOut { .. } => "osd.out",
            Self::SetFlag { .. } => "osd.set",
            Self::UnsetFlag { .. } => "osd.unset",
        }
    }

    /// What an operator reads when it has succeeded. What force has skipped is part of it.
    pub fn done(&self) -> String {
        match self {
            Self::Add { node, device, osds, .. } => {
                format!("Added {} OSD(s) on device \"{device}\" of node \"{node}\".", osds.len())
            }
            Self::Replace { osd, device, .. } => format!("Replaced OSD {osd} by one on device \"{device}\"."),
            Self::Refresh { osd, device, .. } => format!("Refreshed OSD {osd} from device \"{device}\"."),
            Self::Remove { osd, node, care, reach, .. } => {
                let forced = match care {
                    Care::Safe => "",
                    Care::Forced => " By force: it was not waited until its data was elsewhere.",
                };
                let gone = match reach {
                    Reach::There => String::new(),
                    Reach::Gone => format!(
                        " Node \"{node}\" is gone: nothing was stopped there, and the OSD's device still holds its data."
                    ),
                };
                format!("Removed OSD {osd}.{forced}{gone}")
            }
            Self::AddDb { node, device } => {
                format!("Device \"{device}\" of node \"{node}\" takes the databases of its OSDs.")
            }
            Self::MarkIn { osd } => format!("Set OSD {osd} in."),
            Self::MarkOut { osd } => format!("Set OSD {osd} out."),
            Self::SetFlag { flag } => format!("Set OSD property \"{}\".", flag.as_str()),
            Self::UnsetFlag { flag } => format!("Unset OSD property \"{}\".", flag.as_str()),
        }
    }

    /// The node whose devices it changes; `None` where it does not, and any worker can do it.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Add { node, .. }
            | Self::Replace { node, .. }
            | Self::Refresh { node, .. }
            | Self::AddDb { node, .. }
            | Self::Remove { node, reach: Reach::There, .. } => Some(node),
            _ => None,
        }
    }

    /// The OSD whose record it holds.
    pub fn osd(&self) -> Option<OsdId> {
        match self {
            Self::Replace { osd, .. }
            | Self::Refresh { osd, .. }
            | Self::Remove { osd, .. }
            | Self::MarkIn { osd }
            | Self::MarkOut { osd } => Some(*osd),
            _ => None,
        }
    }

    /// The identities that a look tells of.
    pub fn looked_for(&self) -> Vec<OsdUuid> {
        match self {
            Self::Add { osds, .. } => osds.clone(),
            Self::Replace { old, new, .. } => vec![*old, *new],
            Self::Refresh { uuid, .. } | Self::Remove { uuid, .. } => vec![*uuid],
            _ => Vec::new(),
        }
    }

    fn look(&self) -> Option<Stage> {
        let looks = !matches!(
            self,
            Self::MarkIn { .. } | Self::MarkOut { .. } | Self::SetFlag { .. } | Self::UnsetFlag { .. }
        );
        looks.then(|| stage("Looking at what is there", OsdChange::LookAtOsds { osds: self.looked_for() }))
    }

    /// Its stages while nothing fails.
    pub fn forward(&self) -> Vec<Stage> {
        let mut stages = match self.clone() {
            Self::Add { node, device, weight, db, osds } => {
                let mut stages = vec![empty(&device)];
                let parts = u32::try_from(osds.len()).unwrap_or(u32::MAX);
                for (part, uuid) in (0..).zip(osds) {
                    let device = device.clone();
                    let preparation = Preparation { uuid, replaces: None, device, part, parts, db };
                    stages.extend(coming(preparation, &node, weight));
                }
                stages
            }
            Self::Replace { node, osd, old, new, device, weight, db, .. } => {
                let mut stages = vec![self.vacant()];
                stages.extend(self.going());
                stages.push(stage("Destroying the old OSD", OsdChange::DestroyOsd { osd, uuid: old }));
                stages.push(stage("Wiping the old device", OsdChange::WipeOsd { uuid: old }));
                let preparation =
                    Preparation { uuid: new, replaces: Some(osd), device, part: 0, parts: 1, db };
                stages.extend(coming(preparation, &node, weight));
                stages.push(stage("Putting the OSD in", OsdChange::MarkOsdIn { osd }));
                stages
            }
            Self::Refresh { osd, uuid, device, .. } => vec![
                stage(
                    "Looking at the device",
                    OsdChange::ExpectOsdOnDevice { device: device.clone(), osd: uuid },
                ),
                stage("Taking the OSD over", OsdChange::RestoreOsd { device, osd, uuid }),
                stage("Starting the OSD", OsdChange::StartOsd { osd: uuid }),
                await_up(uuid),
            ],
            Self::Remove { osd, uuid, reach, .. } => {
                let mut stages = self.going();
                stages.push(stage(
                    "Removing the OSD from the storage",
                    OsdChange::PurgeOsd { osd: Some(osd), uuid },
                ));
                if reach == Reach::There {
                    stages.push(stage("Wiping the device", OsdChange::WipeOsd { uuid }));
                }
                stages
            }
            Self::AddDb { device, .. } => vec![stage("Making the device", OsdChange::EnsureOsdDb { device })],
            Self::MarkIn { osd } => vec![stage("Putting the OSD in", OsdChange::MarkOsdIn { osd })],
            Self::MarkOut { osd } => vec![stage("Putting the OSD out", OsdChange::MarkOsdOut { osd })],
            Self::SetFlag { flag } => vec![stage("Setting the property", OsdChange::SetOsdFlag { flag })],
            Self::UnsetFlag { flag } => {
                vec![stage("Unsetting the property", OsdChange::UnsetOsdFlag { flag })]
            }
        };
        stages.extend(self.look());
        stages
    }

    /// Its stages once one of the others has failed, which was the one of this number.
    pub fn back(&self, failed: u32) -> Vec<Stage> {
        let failed = self.forward().into_iter().nth(usize::try_from(failed).unwrap_or(usize::MAX));
        let failed = failed.and_then(|stage| match stage.part {
            Part::Step(Action::Osd(change)) => Some(change),
            _ => None,
        });
        let mut stages = failed.map_or_else(Vec::new, |failed| self.undo(&failed));
        stages.extend(self.look());
        stages
    }

    /// What is undone when this stage has failed.
    fn undo(&self, failed: &OsdChange) -> Vec<Stage> {
        match self {
            // What is on the device then is not the task's.
            _ if matches!(
                failed,
                OsdChange::ExpectEmptyDevice { .. } | OsdChange::ExpectOsdOnDevice { .. }
            ) =>
            {
                Vec::new()
            }
            // Those before the one that failed are up: data may lie on them, and they stay.
            Self::Add { osds, .. } => {
                let kept = failed_osd(failed).and_then(|failed| osds.iter().position(|osd| *osd == failed));
                osds.iter().skip(kept.unwrap_or(osds.len())).flat_map(|osd| discarding(*osd)).collect()
            }
            Self::Refresh { uuid, .. } => vec![stage("Stopping the OSD", OsdChange::StopOsd { osd: *uuid })],
            Self::Remove { osd, uuid, side, .. } | Self::Replace { osd, old: uuid, side, .. } => match failed
            {
                OsdChange::MarkOsdOut { .. } | OsdChange::AwaitOsdSafe { .. } => returning(*osd, *side),
                OsdChange::StopOsd { .. } => {
                    let mut stages =
                        vec![stage("Starting the OSD again", OsdChange::StartOsd { osd: *uuid })];
                    stages.extend(returning(*osd, *side));
                    stages
                }
                // What was destroyed does not come back; nor is it known whether a purge that failed took effect.
                OsdChange::DestroyOsd { .. } | OsdChange::PurgeOsd { .. } | OsdChange::LookAtOsds { .. } => {
                    Vec::new()
                }
                // Nothing is discarded that is up, or whose device failed.
                OsdChange::WipeOsd { .. } | OsdChange::MarkOsdIn { .. } => Vec::new(),
                _ => self.discarding_new(),
            },
            _ => Vec::new(),
        }
    }

    /// What a replacement left that did not come to be.
    fn discarding_new(&self) -> Vec<Stage> {
        let Self::Replace { osd, new, .. } = self else { return Vec::new() };
        vec![
            stage("Stopping the new OSD", OsdChange::StopOsd { osd: *new }),
            stage("Keeping the number", OsdChange::DestroyOsd { osd: *osd, uuid: *new }),
            stage("Wiping the new device", OsdChange::WipeOsd { uuid: *new }),
        ]
    }

    /// The device of a replacement is empty, or it is the old one's, which is wiped later.
    fn vacant(&self) -> Stage {
        match self {
            Self::Replace { device, old_device, osd, old, .. } if device.to_string() == *old_device => {
                let _number = osd;
                stage(
                    "Looking at the device",
                    OsdChange::ExpectOsdOnDevice { device: device.clone(), osd: *old },
                )
            }
            Self::Replace { device, .. } | Self::Add { device, .. } => empty(device),
            _ => stage("Looking at what is there", OsdChange::LookAtOsds { osds: Vec::new() }),
        }
    }

    /// The way of an OSD out of use.
    fn going(&self) -> Vec<Stage> {
        let (osd, uuid, care, reach) = match self {
            Self::Remove { osd, uuid, care, reach, .. } => (*osd, *uuid, *care, *reach),
            Self::Replace { osd, old, .. } => (*osd, *old, Care::Safe, Reach::There),
            _ => return Vec::new(),
        };
        let mut stages = vec![stage("Putting the OSD out", OsdChange::MarkOsdOut { osd })];
        if care == Care::Safe {
            let patience = OSD_DRAIN_PATIENCE;
            stages.push(stage(
                "Waiting until its data is elsewhere",
                OsdChange::AwaitOsdSafe { osd, patience },
            ));
        }
        if reach == Reach::There {
            stages.push(stage("Stopping the OSD", OsdChange::StopOsd { osd: uuid }));
        }
        stages
    }
}

fn stage(text: &str, change: OsdChange) -> Stage {
    Stage { text: text.into(), part: Part::Step(Action::Osd(change)) }
}

fn empty(device: &DeviceChoice) -> Stage {
    stage("Looking at the device", OsdChange::ExpectEmptyDevice { device: device.clone() })
}

fn await_up(osd: OsdUuid) -> Stage {
    stage("Waiting until the OSD is up", OsdChange::AwaitOsdUp { osd, limit: OSD_UP_LIMIT })
}

/// The way of an OSD into use.
fn coming(preparation: Preparation, node: &NodeName, weight: Weight) -> Vec<Stage> {
    let osd = preparation.uuid;
    vec![
        stage("Preparing the OSD", OsdChange::PrepareOsd(Box::new(preparation))),
        stage("Placing the OSD", OsdChange::PlaceOsd { osd, node: node.clone(), weight }),
        stage("Starting the OSD", OsdChange::StartOsd { osd }),
        await_up(osd),
    ]
}

/// The OSD that a stage of an addition brings into use.
fn failed_osd(failed: &OsdChange) -> Option<OsdUuid> {
    match failed {
        OsdChange::PrepareOsd(preparation) => Some(preparation.uuid),
        OsdChange::PlaceOsd { osd, .. } | OsdChange::StartOsd { osd } | OsdChange::AwaitOsdUp { osd, .. } => {
            Some(*osd)
        }
        _ => None,
    }
}

/// An OSD that was to be, and is not to be any more.
fn discarding(osd: OsdUuid) -> Vec<Stage> {
    vec![
        stage("Stopping what was begun", OsdChange::StopOsd { osd }),
        stage("Removing what was begun", OsdChange::PurgeOsd { osd: None, uuid: osd }),
        stage("Wiping what was begun", OsdChange::WipeOsd { uuid: osd }),
    ]
}

/// An OSD that stays is put in again if it was.
fn returning(osd: OsdId, side: Side) -> Vec<Stage> {
    match side {
        Side::In => vec![stage("Putting the OSD in again", OsdChange::MarkOsdIn { osd })],
        Side::Out => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
