//! What must hold of OSDs, read from the storage's roster and from the devices themselves: none goes with data on it, none is
//! borne twice or by another's device, nothing is left over, and what the records call ready is what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::osd::memory::{Entry, Laid, Loss, Machine, Members};
use logic::cluster::Cluster;
use logic::id::NodeName;
use logic::storage::osd::record::{Osd, OsdState};
use logic::storage::osd::work::Care;
use logic::storage::osd::{OsdId, OsdUuid};

use crate::command::{Fate, OsdAsk};

/// The machines' devices.
pub type Machines = BTreeMap<NodeName, Arc<Machine>>;

/// Remembers which OSDs are in use, and whose end was wished.
#[derive(Debug, Default)]
pub struct Stock {
    /// OSDs that were shown as ready, with their numbers: somebody's data may lie on them.
    owned: BTreeMap<OsdUuid, OsdId>,
    /// Those whose removal or replacement was asked for.
    leaving: BTreeSet<OsdId>,
    /// Those that were to go whatever is lost.
    forced: BTreeSet<OsdId>,
    /// Identities of those: where their nodes were gone their devices stay as they are.
    abandoned: BTreeSet<OsdUuid>,
    /// Machines that lost a device, or were built anew.
    disturbed: BTreeSet<NodeName>,
    /// How often anything had changed when it was last looked.
    changes: u64,
}

impl Stock {
    /// The operator asked something, which was done, or may have been.
    pub fn asked(&mut self, ask: &OsdAsk, cluster: &Cluster) {
        match ask {
            OsdAsk::Remove { osd, care } => {
                self.leaving.insert(*osd);
                if *care == Care::Forced {
                    self.forced.insert(*osd);
                    self.abandoned.extend(cluster.osds.get(osd).map(|known| known.value.uuid));
                }
            }
            OsdAsk::Replace { osd, .. } => drop(self.leaving.insert(*osd)),
            _ => {}
        }
    }

    /// Something befell a machine's devices.
    pub fn befell(&mut self, node: &NodeName, fate: &Fate) {
        if matches!(fate, Fate::Lost(_) | Fate::Rebuilt) {
            self.disturbed.insert(node.clone());
        }
    }

    /// Looks at what is there, if anything changed.
    ///
    /// # Errors
    /// What must not be.
    pub fn look(&mut self, members: &Members, machines: &Machines, cluster: &Cluster) -> Result<(), String> {
        let changes = members.changes();
        if std::mem::replace(&mut self.changes, changes) != changes {
            self.judge(members, machines)?;
        }
        self.leaving.retain(|osd| cluster.osds.contains_key(osd));
        self.forced.retain(|osd| cluster.osds.contains_key(osd));
        let ready = cluster.osds.iter().filter(|(_, osd)| osd.value.state == OsdState::Ready);
        self.owned.extend(ready.map(|(id, osd)| (osd.value.uuid, *id)));
        Ok(())
    }

    fn judge(&mut self, members: &Members, machines: &Machines) -> Result<(), String> {
        let entries = members.entries();
        for Loss { id, uuid, was_last } in members.losses() {
            match self.owned.contains_key(&uuid) {
                _ if self.forced.contains(&id) => {}
                true => return Err(format!("OSD {id} went with data on it")),
                false if was_last && !self.owned.is_empty() => {
                    return Err(format!("the last copy of everything went with OSD {id}"));
                }
                false => {}
            }
        }
        let is_there = |uuid: OsdUuid| entries.values().any(|entry| entry.uuid == Some(uuid));
        if let Some((_, id)) =
            self.owned.iter().find(|(uuid, id)| !is_there(**uuid) && !self.leaving.contains(id))
        {
            return Err(format!("OSD {id} is gone, and nobody asked for that"));
        }
        self.owned.retain(|uuid, _| is_there(*uuid));
        let mut bearers: BTreeMap<OsdUuid, &NodeName> = BTreeMap::new();
        for (node, machine) in machines {
            let laid = machine.laid();
            for (uuid, one) in &laid {
                if let Some(other) = bearers.insert(*uuid, node) {
                    return Err(format!("OSD {uuid} lies on devices of {other} and of {node}"));
                }
                on_its_own((node, *uuid, one), &laid, &entries)?;
            }
        }
        Ok(())
    }

    /// Nothing is left over, and what is ready is there, on the device that is recorded.
    ///
    /// # Errors
    /// What differs.
    pub fn rests(&self, members: &Members, machines: &Machines, cluster: &Cluster) -> Result<(), String> {
        let entries = members.entries();
        for (id, osd) in &cluster.osds {
            self.as_recorded((*id, &osd.value), entries.get(id), machines)?;
        }
        if let Some((id, entry)) = entries.iter().find(|(id, _)| !cluster.osds.contains_key(*id)) {
            return Err(format!("the storage knows OSD {id}, and no record does: {entry:?}"));
        }
        for (node, machine) in machines.iter().filter(|(node, _)| !self.disturbed.contains(*node)) {
            let unwiped = machine.unwiped();
            let is_left = |uuid: &&OsdUuid| {
                let is_known = entries.values().any(|entry| entry.uuid == Some(**uuid));
                !is_known && !unwiped.contains(*uuid) && !self.abandoned.contains(*uuid)
            };
            if let Some(uuid) = machine.laid().keys().find(is_left) {
                return Err(format!("OSD {uuid} is left over on a device of {node}"));
            }
        }
        match cluster.devices.iter().find(|(_, devices)| devices.value.task.is_some()) {
            Some((node, _)) => Err(format!("the devices of {node} are still in a task's hands")),
            None => Ok(()),
        }
    }

    fn as_recorded(
        &self,
        (id, osd): (OsdId, &Osd),
        entry: Option<&Entry>,
        machines: &Machines,
    ) -> Result<(), String> {
        match &osd.state {
            state if osd.task.is_some() => return Err(format!("OSD {id} is still in work: {state:?}")),
            OsdState::Destroyed { .. } => return Ok(()),
            OsdState::Ready => {}
            state => return Err(format!("OSD {id} is recorded as {state:?}")),
        }
        let laid = machines.get(&osd.node).and_then(|machine| machine.laid().remove(&osd.uuid));
        let is_borne = laid.as_ref().is_some_and(|laid| {
            let recorded = (&osd.device, &osd.db_device, osd.is_split);
            laid.is_whole
                && laid.id == id
                && (&laid.borne.device, &laid.borne.db_device, laid.borne.is_split) == recorded
        });
        let is_member = entry.is_some_and(|entry| entry.uuid == Some(osd.uuid));
        match is_member && (is_borne || self.disturbed.contains(&osd.node)) {
            true => Ok(()),
            false => Err(format!("OSD {id} is recorded as {osd:?}, and there are {entry:?} and {laid:?}")),
        }
    }
}

/// An OSD lies in the node that it is placed in, on a device on which nothing is but what the same task laid there.
fn on_its_own(
    (node, uuid, one): (&NodeName, OsdUuid, &Laid),
    laid: &BTreeMap<OsdUuid, Laid>,
    entries: &BTreeMap<OsdId, Entry>,
) -> Result<(), String> {
    let entry = entries.values().find(|entry| entry.uuid == Some(uuid));
    if let Some((place, _)) = entry.and_then(|entry| entry.place.as_ref()).filter(|(place, _)| place != node)
    {
        return Err(format!("OSD {uuid} lies on a device of {node}, and is placed in {place}"));
    }
    if let Some(beside) = &one.beside {
        return Err(format!("OSD {uuid} was laid on {}, which holds {beside}", one.borne.device));
    }
    // The operator's identities begin with the task's number.
    let task = |uuid: OsdUuid| uuid.0.as_u128() >> 64;
    let shares = |(other, there): &(&OsdUuid, &Laid)| {
        let is_partner = task(**other) == task(uuid) && one.borne.is_split && there.borne.is_split;
        **other != uuid && there.borne.device == one.borne.device && !is_partner
    };
    match laid.iter().find(shares) {
        Some((other, _)) => {
            Err(format!("OSDs {uuid} and {other} were laid on {} of {node}", one.borne.device))
        }
        None => Ok(()),
    }
}
