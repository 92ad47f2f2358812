//! A VM moves to another node while it runs: what its two nodes say to each other, and what each sees of the guest.
//!
//! The move itself is the two hypervisors' affair, and either daemon, either hypervisor or the network may fail in it at
//! any point. It is safe because of two words: the target lets the guest go on only when the source has said that it is
//! *gone*; and the source lets a guest that is stranded in the switch go on only when the target has said that nothing
//! of it is there: *clear*. Until the last record the VM has two possible owners, and no new incarnation is started.
//!
//! The source's word is [`VmFact::sending`](super::VmFact), which the node that owns the VM writes; the target's is a
//! record of its own, [`Reception`]. [`source`] and [`target`] hold the two tables.
//!
//! | the source's word | the target's | where the guest is | how it goes on |
//! |---|---|---|---|
//! | `offered` | none, `busy` | source | the target looks at what it has, and answers |
//! | `offered` | `refused` | source | the move fails |
//! | `offered` | `ready` | source | the source says `begun`, then sends |
//! | `begun` | `ready` | source, until it is seen to be gone | the source says what it sees |
//! | `begun`, and it runs there, and the move is over | `ready` | source | the move fails; the target discards what it has |
//! | `stranded` | `ready` | either | the target discards what it has, and says `clear` |
//! | `stranded` | `clear` | source | it goes on at the source; the move fails |
//! | `gone` | `ready` | target, or nowhere | it goes on at the target, which owns it from then on |
//! | `gone` | `clear` | nowhere: it ended | the move is over; a new incarnation may be started |
//! | `vain` | `ready` | source | the move is aborted, and fails; the next one goes by post-copy |
//! | `torn` | `ready` | half at either | the source tries to join the halves for a while, then says `lost` |
//! | `lost` | `ready` | nowhere whole | each ends what it has, unless it is whole at the target after all; the target says `clear` |
//! | `lost` | `clear` | nowhere | the move is over; a new incarnation may be started |
//!
//! By post-copy the guest goes on at the target before its memory is there, which only a guest does that a move by
//! pre-copy was in vain with, and only where that is allowed. From the switch on the source never runs it again: so a
//! move that breaks then leaves two halves, and never two guests. What cannot be joined is lost, and ended on both sides
//! before anything is started anew.
//!
//! Whatever a move has left on a node that no word speaks of is discarded there, unless it runs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, TaskId, VmId};
use crate::observed::{Guests, Observed};
use crate::plan::Plan;
use crate::record::Version;
use crate::time::{BootTime, Now};
use crate::vm::MigrationMethod;

mod progress;
mod source;
mod target;

pub(crate) use source::offer;

/// Which move: one attempt to bring one incarnation over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveId {
    /// The serial of the wish that it serves.
    pub serial: u64,
    /// Counted from one for each wish.
    pub attempt: u32,
    /// The incarnation that moves, and keeps its number.
    pub incarnation: u64,
}

/// How far the source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The target is asked. Nothing was sent.
    Offered,
    /// It is being sent, or was, or is about to be.
    Begun,
    /// It stands still here, and may be whole at the target as well. It goes on here when the target is clear.
    Stranded,
    /// It is not here any more, and will not be here again without a start.
    Gone,
    /// It is being sent, and writes faster than that: it is to stay, and to be sent by post-copy.
    Vain,
    /// It runs at the target, or did, and half of it is here: the stream between the two broke.
    Torn,
    /// What is here is of no use, and what is at the target neither, unless it is whole.
    Lost,
}

/// The source's word about a move. Written by the node that owns the VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Which move.
    pub id: MoveId,
    /// Where it goes.
    pub to: NodeName,
    /// Where it is to go home to from there.
    pub home: Option<NodeName>,
    /// The serial of its home's wish when it left.
    pub away_since: u64,
    /// How it was to move.
    pub how: MigrationMethod,
    /// How its memory is brought over.
    #[serde(default)]
    pub by: Method,
    /// How far it is.
    pub stage: Stage,
    /// Since when, by the source's boot clock.
    pub since: BootTime,
    /// Where its progress is told.
    pub task: TaskId,
}

/// A move that failed. The VM has stayed where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedMove {
    /// The serial of the wish that it served.
    pub serial: u64,
    /// How many were tried for that wish; `LIVE_ATTEMPTS_MAX` when there is no use in another.
    pub attempts: u32,
    /// Where it was to go.
    pub to: NodeName,
    /// Why it failed.
    pub why: String,
    /// Not tried again before, by the source's boot clock.
    pub retry_at: BootTime,
    /// How its memory is to be brought over the next time.
    #[serde(default)]
    pub next: Method,
}

/// What the target says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nothing of it is here, and it may come.
    Ready {
        /// This node's address on the cluster network.
        address: IpAddr,
        /// Where this node keeps what the guest says on its first serial port.
        console_path: String,
    },
    /// It may come when others have arrived.
    Busy,
    /// It cannot come.
    Refused {
        /// Why.
        why: String,
    },
    /// Nothing of it is here, and nothing will be.
    Clear,
}

/// The target's word about a move. Written by the node that the VM is to go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reception {
    /// The target.
    pub node: NodeName,
    /// Which move.
    pub id: MoveId,
    /// What it says.
    pub answer: Answer,
}

/// How a guest stands that is on its way: as the table of the host's port has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its CPUs run, and it is going nowhere.
    Running,
    /// It is whole, and its CPUs stand still until it is released: so it arrives.
    Paused,
    /// Source: it runs while it is being sent.
    Leaving,
    /// Source: it stands still for the switch, and the move is going on.
    Handing,
    /// Source: it stands still for a switch that nobody carries on.
    Stranded,
    /// Target: it is being received, and is not whole.
    Incoming,
    /// Source, by post-copy: it runs at the target, which still needs memory from here.
    Drained,
    /// Target, by post-copy: its CPUs run here, while memory is still coming.
    Filling,
    /// By post-copy that broke off: half of it is here, and half on the other side.
    Torn,
}

/// How the memory of a guest is brought over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// All of it before the guest stops at the source. It arrives paused.
    #[default]
    PreCopy,
    /// Next to nothing of it: the rest follows while the guest runs at the target.
    PostCopy,
}

/// What became of a move, as the source's hypervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is going on.
    UnderWay {
        /// How much of its memory there is, in MiB; zero while the target is being reached.
        total_mib: u64,
        /// How much of that is still to be sent.
        remaining_mib: u64,
        /// How often the memory has been gone through; the first pass is 1.
        pass: u64,
        /// By how much its CPUs are slowed down, in percent.
        throttle_percent: u64,
    },
    /// The target holds it.
    Moved,
    /// It ended otherwise.
    Failed {
        /// Why, in the hypervisor's words.
        why: String,
    },
    /// Nothing is going on, and how it ended was not seen.
    Unknown,
}

/// A guest that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// PVC's mark.
    pub incarnation: Option<u64>,
    /// How it stands.
    pub standing: Standing,
}

/// A look at one VM's guest on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The source's word when the look was begun: one that is begun later shows what follows from that word.
    pub under: Option<Version>,
    /// The guest, if there is one.
    pub guest: Option<Sighting>,
    /// Source: what became of the move.
    pub course: Option<Course>,
}

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The VM.
    pub vm: VmId,
    /// The source's word now.
    pub under: Option<Version>,
    /// Source: the incarnation whose move is followed.
    pub leaving: Option<u64>,
}

/// The VMs that are on their way from or to this node, and those of others that have left something here.
pub fn watched(cluster: &Cluster, node: &NodeName, guests: &Guests) -> Vec<Watched> {
    let here = |vm: &VmId| match guests {
        Guests::Seen(guests) => guests.get(vm).is_some_and(|guest| guest.incarnation.is_some()),
        Guests::Unknown { .. } => false,
    };
    let watched = |(vm, entry): (&VmId, &std::sync::Arc<VmEntry>)| {
        let left = entry.vm.value.node != *node && here(vm);
        (left || is_moving(entry, node)).then(|| Watched {
            vm: *vm,
            under: entry.fact.as_ref().map(|fact| fact.version),
            leaving: leaving(entry, node).map(|sending| sending.id.incarnation),
        })
    };
    cluster.vms.iter().filter_map(watched).collect()
}

/// Whether the VM is on its way from or to this node.
pub fn is_moving(entry: &VmEntry, node: &NodeName) -> bool {
    let receives = entry.vm.value.node != *node
        && (arriving(entry, node).is_some()
            || entry.reception.as_ref().is_some_and(|said| said.value.node == *node));
    receives || leaving(entry, node).is_some()
}

/// The move of a VM from this node, which owns it.
pub(crate) fn leaving<'a>(entry: &'a VmEntry, node: &NodeName) -> Option<&'a Sending> {
    let fact = entry.fact.as_ref().map(|fact| &fact.value).filter(|fact| fact.node == *node)?;
    fact.sending.as_ref().filter(|_| entry.vm.value.node == *node)
}

/// The move of another node's VM to this node.
fn arriving<'a>(entry: &'a VmEntry, node: &NodeName) -> Option<&'a Sending> {
    let sending = entry.fact.as_ref()?.value.sending.as_ref()?;
    (entry.vm.value.node != *node && sending.to == *node).then_some(sending)
}

/// Decides about one VM that is on its way from or to this node, or has left something here. `None` where it is none of
/// these, and the VM is its owner's affair alone.
pub fn decide(cluster: &Cluster, observed: &Observed, id: VmId, now: Now) -> Option<Plan> {
    let entry = cluster.vms.get(&id)?;
    if entry.vm.value.node != observed.name {
        return Some(target::decide(cluster, observed, id, now));
    }
    let sending = leaving(entry, &observed.name)?;
    Some(source::decide(cluster, observed, id, sending, now))
}

/// What is told of the moves from this node.
pub use progress::decide as tell;

#[cfg(test)]
mod tests;
