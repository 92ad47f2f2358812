//! The primary role: which coordinator holds it, and the phases in which it moves to another.
//!
//! One record says who holds the role, to whom it goes and how far that is. Nobody sleeps: each side acts on what the
//! record says, and says in the record that it is done. The new holder is there before the old one lets go.
//!
//! | the record says | the holder | its successor | next, and who writes it |
//! |---|---|---|---|
//! | A holds it | holds (`primary`) | | `claimed` by B, when it is wished or A is shutting down |
//! | A holds it, B claimed it | quiet (`relinquish`) | ready (`takeover`) | `yielded` by A, when its parts are quiet |
//! | A holds it, A yielded it to B | quiet (`relinquish`) | holds (`takeover`) | B holds it, by B, when its parts are there |
//! | B holds it, A was the former | lets go (`relinquish`) | holds (`primary`) | no former, by A, when its parts are gone |
//!
//! | happens | then |
//! |---|---|
//! | nobody ever held it | whoever can takes it; the guards let one win, and the others see that it is held |
//! | the holder is gone | the same; a successor that has claimed it goes first |
//! | the successor is gone, or does not come on | the holder takes the role back, and the wish is void |
//! | the holder does not yield | the successor goes on without it |
//! | the former does not let go, or is gone | the holder goes on without it |
//! | the holder's session lives, and its loop hangs | whoever can takes it, when the holder has been silent for long enough |
//!
//! A holder is gone when its presence is: its session with the store is over by the store's clock, which began to count
//! no earlier than the holder's own. Everything that marks the holder in the network ends with a lifetime, a second
//! before the holder's lease: see [`floating`]. So no proof of death is needed, as it is for a VM.
//!
//! A holder is silent when its status record is not renewed. Its loop decides on every keepalive, and on every renewal of
//! its addresses: one that hangs does neither, while the session goes on by a thread of its own. The evidence is the version
//! of that record: a candidate counts, by its own boot clock, since when it has seen the same one, and only while its own
//! keepalives get through, so that a store which was away for all is held against nobody. Its write rests on that very
//! version: a holder that has said anything since keeps the role. The bound ([`crate::config::Timers`]) is much longer than
//! the lifetime of the addresses. When the holder wakes up it finds itself the former one; whatever it had begun rests on
//! the role's record, and is not done.
//!
//! What moves with the role is a list of parts: see [`part`]. The term grows whenever the role is taken, or taken back.

use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, NodeEntry};
use crate::id::NodeName;
use crate::node::{DaemonState, Role, shown_daemon_state};
use crate::record::{Expect, Guard, RecordId};

pub mod accept;
pub mod decide;
pub mod floating;
pub mod part;
pub mod reason;

/// Who holds the primary role, and to whom it goes. Written by the holder, its successor and its former.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primary {
    /// The holder.
    pub node: NodeName,
    /// Grows whenever the role is taken or taken back; acts of the role rest on this record.
    pub term: u64,
    /// To whom it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// Who held it before and has not let go of everything yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<NodeName>,
}

/// A handover under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The successor.
    pub to: NodeName,
    /// How far it is.
    pub phase: Phase,
}

/// How far a handover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The successor wants it, and prepares.
    Claimed,
    /// The holder has stopped what may not run twice.
    Yielded,
}

/// What the operator wishes of the role. It is good for the term that it names, and void afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryWish {
    /// The term in which it was wished.
    pub term: u64,
    /// Who is to hold the role; `None` is anybody but the holder.
    pub to: Option<NodeName>,
}

/// A node's part among the coordinators, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorState {
    /// It is no coordinator.
    Client,
    /// It could hold the role.
    Secondary,
    /// It is about to hold the role.
    Takeover,
    /// It holds the role.
    Primary,
    /// It is about to lose the role, or has not let go of everything yet.
    Relinquish,
}

impl CoordinatorState {
    /// The state as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Secondary => "secondary",
            Self::Takeover => "takeover",
            Self::Primary => "primary",
            Self::Relinquish => "relinquish",
        }
    }
}

impl Primary {
    /// The role, held by a node from now on.
    fn held(node: NodeName, term: u64) -> Self {
        Self { node, term, handover: None, former: None }
    }
}

/// A node's part among the coordinators.
pub fn coordinator_state(cluster: &Cluster, name: &NodeName) -> CoordinatorState {
    if let Some(primary) = cluster.primary.as_ref().map(|primary| &primary.value) {
        let leaves = primary.handover.is_some();
        if primary.node == *name {
            return if leaves { CoordinatorState::Relinquish } else { CoordinatorState::Primary };
        }
        if primary.former.as_ref() == Some(name) {
            return CoordinatorState::Relinquish;
        }
        if primary.handover.as_ref().is_some_and(|handover| handover.to == *name) {
            return CoordinatorState::Takeover;
        }
    }
    match cluster.node(name).map(|node| node.role) {
        Some(Role::Hypervisor) => CoordinatorState::Client,
        _ => CoordinatorState::Secondary,
    }
}

/// Whether a node can take the role: a coordinator that is there and runs.
pub fn is_candidate(cluster: &Cluster, name: &NodeName) -> bool {
    let runs = |entry: &NodeEntry| {
        let is_coordinator = entry.node.as_ref().is_some_and(|node| node.value.role == Role::Coordinator);
        is_coordinator && entry.presence.is_some() && shown_daemon_state(entry) == DaemonState::Run
    };
    cluster.nodes.get(name).is_some_and(|entry| runs(entry))
}

/// Whether there is a candidate besides this node.
pub fn has_other_candidate(cluster: &Cluster, name: &NodeName) -> bool {
    cluster.nodes.keys().any(|other| other != name && is_candidate(cluster, other))
}

/// Whether somebody holds the role and is there to act in it.
pub fn is_held(cluster: &Cluster) -> bool {
    cluster.primary.as_ref().is_some_and(|primary| gone(cluster, &primary.value.node).is_none())
}

/// What shows that a node no longer acts in the role, if something does: whoever takes the role rests on it.
fn gone(cluster: &Cluster, name: &NodeName) -> Option<Guard> {
    let guard = |record, expect| Some(Guard { record, expect });
    let entry = cluster.nodes.get(name);
    if entry.is_none_or(|entry| entry.presence.is_none()) {
        return guard(RecordId::Presence(name.clone()), Expect::Absent);
    }
    let entry = entry?;
    let Some(node) = &entry.node else {
        return guard(RecordId::Node(name.clone()), Expect::Absent);
    };
    if node.value.role == Role::Hypervisor {
        return guard(RecordId::Node(name.clone()), node.expect());
    }
    let status = entry.status.as_ref()?;
    match status.value.daemon {
        DaemonState::Stop | DaemonState::Fenced => guard(RecordId::NodeStatus(name.clone()), status.expect()),
        _ => None,
    }
}
