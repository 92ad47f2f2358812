//! Whether a VM may change its node now, where to, and the records it writes.
//!
//! | request | the VM runs, or is to run | it does not |
//! |---|---|---|
//! | move | its node is asked to send it, live where it can; it settles there | it belongs to the other node at once |
//! | migrate | the same, and it goes home to its present node later | the same |
//! | move to its own node, while its home is another | it settles where it is: its home is forgotten | the same |
//! | unmigrate | it is handed over to its home | it belongs to its home at once |
//!
//! A node that is named must be able to take it; else the best one is found. Each decision bumps the target's ledger.

use super::{Force, known, known_node};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, VmId};
use crate::node::drain::wish_serial;
use crate::node::place::{Home, bump_ledger, place};
use crate::record::{RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::time::WallTime;
use crate::vm::{MigrationMethod, Power, State, Transfer, Vm, Wish, shown_state};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relocation {
    /// To settle on another node.
    Move {
        /// Which; `None` lets PVC choose.
        to: Option<String>,
    },
    /// To be on another node for a while.
    Migrate {
        /// Which; `None` lets PVC choose.
        to: Option<String>,
        /// Whether a VM that is away from home already may go further.
        force: Force,
    },
    /// To go home.
    Unmigrate,
}

/// What a relocation writes, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct Relocated {
    /// The target.
    pub to: NodeName,
    /// The writes.
    pub records: Records,
}

/// Moves a VM. `asked` is how it is to move this time, where its own method is not to count.
///
/// # Errors
/// [`Refusal`] says which node cannot take it and why, or what state is in the way.
pub fn relocate(
    cluster: &Cluster,
    id: VmId,
    request: &Relocation,
    asked: Option<MigrationMethod>,
    now: WallTime,
) -> Result<Relocated, Refusal> {
    let entry = known(cluster, id)?;
    let vm = &entry.vm.value;
    let refuse =
        |remedy| Err(Refusal::WrongState { name: vm.name.clone(), state: shown_state(entry), remedy });
    let (named, home) = match request {
        Relocation::Move { to } => (to.clone(), None),
        Relocation::Migrate { force: Force::No, .. } if vm.last_node.is_some() => {
            return refuse("it has been migrated already; bring it home first, or use force");
        }
        Relocation::Migrate { to, .. } => {
            (to.clone(), Some(vm.last_node.clone().unwrap_or_else(|| vm.node.clone())))
        }
        Relocation::Unmigrate => match &vm.last_node {
            None => return refuse("it has not been migrated, so there is no node to go home to"),
            Some(home) => (Some(home.to_string()), None),
        },
    };
    match shown_state(entry) {
        State::Migrate | State::MigrateLive => {
            return refuse("wait until it has moved, or give that up by starting it");
        }
        State::Shutdown | State::Restart => return refuse("wait until it is down"),
        State::Delete => return refuse("it is being removed"),
        State::Provision | State::Import => return refuse("wait until it is complete"),
        _ => {}
    }
    if entry.fact.as_ref().is_some_and(|fact| fact.value.sending.is_some()) {
        return refuse("wait until it has moved");
    }
    let is_asked_to_stay = matches!(request, Relocation::Move { to: Some(to) } if *to == vm.node.as_str());
    if is_asked_to_stay && vm.last_node.is_some() {
        return Ok(settled(entry, id));
    }
    let to = target(cluster, id, vm, named.as_deref())?;
    let bound = |why: &str| Refusal::Bound { name: vm.name.clone(), why: why.into() };
    let how =
        vm.way(asked).or_else(|why| if runs(entry) { Err(bound(why)) } else { Ok(MigrationMethod::None) })?;
    let home = home.filter(|home| *home != to);
    let away_since = home.as_ref().map_or(0, |home| wish_serial(cluster, home));
    let records = match runs(entry) {
        true => handed_over_later(entry, id, Transfer { to: to.clone(), home, how, away_since }, now),
        false => {
            let moved = Vm { node: to.clone(), last_node: home, away_since, ..vm.clone() };
            Records::default().guard(RecordId::VmFact(id), expect_of(entry.fact.as_ref())).write(
                RecordId::Vm(id),
                entry.vm.expect(),
                moved.into(),
            )
        }
    };
    Ok(Relocated { records: bump_ledger(cluster, &to, records), to })
}

/// It settles where it is. It takes nothing of any node that it had not before.
fn settled(entry: &VmEntry, id: VmId) -> Relocated {
    let vm = &entry.vm.value;
    let settled = Vm { last_node: None, away_since: 0, ..vm.clone() };
    let records = Records::default().write(RecordId::Vm(id), entry.vm.expect(), settled.into());
    Relocated { to: vm.node.clone(), records }
}

/// Its node must hand it over: it runs, or may.
fn runs(entry: &VmEntry) -> bool {
    entry.fact.as_ref().is_some_and(|fact| fact.value.runs())
        || matches!(entry.vm.value.wish.power, Power::Start | Power::Restart)
}

fn handed_over_later(entry: &VmEntry, id: VmId, transfer: Transfer, now: WallTime) -> Records {
    let vm = &entry.vm.value;
    let wish = Wish { serial: vm.wish.serial + 1, at: now, ..vm.wish };
    let leaving = Vm { wish, transfer: Some(transfer), ..vm.clone() };
    Records::default().write(RecordId::Vm(id), entry.vm.expect(), leaving.into())
}

fn target(cluster: &Cluster, id: VmId, vm: &Vm, asked: Option<&str>) -> Result<NodeName, Refusal> {
    let placement = place(cluster, id, vm, Home::Barred);
    let Some(asked) = asked else {
        let nobody = || Refusal::NoNode { why: placement.reasons() };
        return placement.chosen.clone().ok_or_else(nobody);
    };
    let node = known_node(cluster, asked)?;
    match placement.nodes.get(&node) {
        Some(Ok(_)) => Ok(node),
        Some(Err(bar)) => Err(Refusal::NoNode { why: format!("{node}: {bar}") }),
        None => Err(Refusal::NodeUnknown { node: asked.into() }),
    }
}

#[cfg(test)]
mod tests;
