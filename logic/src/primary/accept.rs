//! Whether the operator may move the primary role now, and the wish that it writes. `None` when it is so already.

use super::{PrimaryWish, has_other_candidate, is_candidate};
use crate::cluster::{Cluster, NodeEntry};
use crate::id::NodeName;
use crate::node::{DaemonState, Role, shown_daemon_state};
use crate::record::{RecordId, Records, expect_of};
use crate::refusal::Refusal;

/// The node is to hold the role.
///
/// # Errors
/// No such node, no coordinator, a node that does not run, or a handover to another one under way.
pub fn wish_primary(cluster: &Cluster, name: &NodeName) -> Result<Option<Records>, Refusal> {
    let held = asked(cluster, name)?;
    let (term, wish) = (held.value.term, cluster.primary_wish.as_ref());
    let pending = wish.filter(|wish| wish.value.term == term);
    match &held.value.handover {
        Some(handover) if handover.to == *name => return Ok(None),
        Some(handover) => return Err(Refusal::HandoverUnderWay { to: handover.to.clone() }),
        None => {}
    }
    if held.value.node == *name {
        // A wish that nobody has come forward for yet is taken back.
        let taken_back = |wish: &crate::record::Versioned<_>| {
            let records = Records::default().guard(RecordId::Primary, held.expect());
            records.delete(RecordId::PrimaryWish, wish.expect())
        };
        return Ok(pending.map(taken_back));
    }
    if pending.is_some_and(|wish| wish.value.to.as_ref() == Some(name)) {
        return Ok(None);
    }
    let wished = PrimaryWish { term, to: Some(name.clone()) };
    let records = Records::default().guard(RecordId::Primary, held.expect());
    Ok(Some(records.write(RecordId::PrimaryWish, expect_of(wish), wished.into())))
}

/// The node is not to hold the role: another one takes it.
///
/// # Errors
/// No such node, no coordinator, a node that does not run, nobody else to take it, or a handover to it under way.
pub fn wish_secondary(cluster: &Cluster, name: &NodeName) -> Result<Option<Records>, Refusal> {
    let held = asked(cluster, name)?;
    let (term, wish) = (held.value.term, cluster.primary_wish.as_ref());
    match &held.value.handover {
        Some(handover) if handover.to == *name => {
            return Err(Refusal::HandoverUnderWay { to: handover.to.clone() });
        }
        Some(_) => return Ok(None),
        None => {}
    }
    if held.value.node != *name || wish.is_some_and(|wish| wish.value.term == term) {
        return Ok(None);
    }
    if !has_other_candidate(cluster, name) {
        return Err(Refusal::NobodyElse { node: name.clone() });
    }
    let wished = PrimaryWish { term, to: None };
    let records = Records::default().guard(RecordId::Primary, held.expect());
    Ok(Some(records.write(RecordId::PrimaryWish, expect_of(wish), wished.into())))
}

/// The role, when it can be asked about for this node.
fn asked<'a>(
    cluster: &'a Cluster,
    name: &NodeName,
) -> Result<&'a crate::record::Versioned<super::Primary>, Refusal> {
    if cluster.settings.is_none() {
        return Err(Refusal::NotInitialised);
    }
    let unknown = || Refusal::NodeUnknown { node: name.to_string() };
    let entry: &NodeEntry = cluster.nodes.get(name).ok_or_else(unknown)?;
    let node = entry.node.as_ref().ok_or_else(unknown)?;
    if node.value.role == Role::Hypervisor {
        return Err(Refusal::NoCoordinator { node: name.clone() });
    }
    if !is_candidate(cluster, name) {
        let state = match shown_daemon_state(entry) {
            DaemonState::Run => DaemonState::Dead,
            state => state,
        };
        return Err(Refusal::NodeDown { node: name.clone(), state });
    }
    cluster.primary.as_ref().ok_or(Refusal::RoleVacant)
}

#[cfg(test)]
mod tests;
