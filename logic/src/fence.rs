//! A node is fenced at the storage when its addresses are blocked there and every OSD keeps to it: then it writes no more.
//!
//! One record per node says how far its block is. Whoever wants a node fenced writes it ([`ask::ask`]); from there on the
//! holder of the primary role carries it on ([`decide`]), and each of its successors goes on from the record:
//!
//! | the record says | what is known | next |
//! |---|---|---|
//! | wanted | nothing: the addresses may be blocked or not | they are blocked, and it is recorded from which epoch on |
//! | laid | the storage's map has them; some OSD may not have heard of it | the OSDs are asked until all keep to it |
//! | confirmed | every OSD that the map calls up keeps to it: this is proof | it is looked after once a minute |
//! | lifting | nothing: the addresses may be free already | they are unblocked |
//! | lifted | they were free, in the map of that epoch | nothing, unless a call that was late has blocked them again |
//!
//! A block is lifted on two grounds only: the node has registered with another boot, so that nothing of what was blocked is
//! there any more; or the node's own word that whatever could write there has ended ([`own`]). That a block is lifted is
//! recorded before it is done, so that nobody takes for proof what is being taken away. It never ends by its age.
//!
//! A proof holds for a node's boot, and not for a pool that keeps one copy: an OSD that is cut off takes writes for it alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::id::{NodeName, PoolName};
use crate::node::BootId;
use crate::record::{Guard, RecordId};
use crate::time::WallTime;

pub mod ask;
pub mod decide;
pub mod own;
pub mod reason;
pub mod trouble;

/// The block of a node's addresses. Written by whoever asks for it, and then by the holder of the primary role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Counts the node's blocks: a word about one says nothing of the next.
    pub number: u64,
    /// The boot of the node that is to write no more.
    pub boot: BootId,
    /// Its storage addresses, as it had registered them.
    pub addresses: BTreeSet<IpAddr>,
    /// When it was asked for. Shown only.
    pub since: WallTime,
    /// How far it is.
    pub stage: Stage,
}

/// How far a block is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Stage {
    /// It is to be laid. It may be there already.
    Wanted,
    /// The storage's map has it.
    Laid {
        /// From this epoch on.
        epoch: u64,
        /// The OSDs that did not say, when they were last asked, that they keep to it.
        #[serde(default)]
        awaited: Vec<i32>,
    },
    /// Every OSD that the map calls up keeps to it.
    Confirmed {
        /// The map has it from this epoch on.
        epoch: u64,
        /// The pools of which this proves nothing, because they keep one copy.
        #[serde(default)]
        unproven: Vec<PoolName>,
    },
    /// It is to be lifted. It may be gone already.
    Lifting {
        /// Why.
        ground: Ground,
    },
    /// It is gone.
    Lifted {
        /// Why.
        ground: Ground,
        /// In the map of this epoch.
        epoch: u64,
    },
}

/// Why a block may be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// The node has registered with another boot.
    Rebooted,
    /// The node says that whatever could write there has ended.
    Obeyed,
}

/// What a node says of itself at the storage, with each keepalive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Addresses of its own that it finds blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<IpAddr>,
    /// The epoch of the storage's map in which it looked; zero where it never could.
    #[serde(default)]
    pub epoch: u64,
    /// The number of the block that it has obeyed: whatever could write here has ended, and nothing is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obeyed: Option<u64>,
    /// Why the storage did not answer when it was last asked from here; `None` where it did, or there is none to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// What the storage shows a node of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The addresses that its clients are seen at, or will be.
    pub own: BTreeSet<IpAddr>,
    /// The addresses that are blocked, of whomever.
    pub blocked: BTreeSet<IpAddr>,
    /// The epoch of the map in which they are.
    pub epoch: u64,
}

/// What a step about a block came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The addresses are blocked, from this epoch of the map on.
    Laid {
        /// The epoch.
        epoch: u64,
    },
    /// Every OSD that the map calls up keeps to it.
    Everywhere {
        /// The epoch of that map.
        epoch: u64,
        /// The pools of which that proves nothing.
        unproven: Vec<PoolName>,
    },
    /// These OSDs do not, or did not answer.
    Awaited {
        /// By number.
        osds: Vec<i32>,
    },
    /// The addresses, or some of them, are not blocked at all.
    Gone,
    /// They are blocked no more, from this epoch on.
    Free {
        /// The epoch.
        epoch: u64,
    },
}

/// What is done about a node's block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The node.
    pub node: NodeName,
    /// The version of the record that this was decided on: what it comes to says nothing of another.
    pub under: crate::record::Version,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// What.
    pub act: Act,
}

/// What is done to the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// They are blocked. Done for those that are.
    BlockNode,
    /// It is asked how far the block has come that the map has from this epoch on.
    ConfirmBlock {
        /// The epoch.
        epoch: u64,
    },
    /// They are blocked no more. Done for those that are not.
    UnblockNode,
}

impl Change {
    /// Its name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self.act {
            Act::BlockNode => "block-node",
            Act::ConfirmBlock { .. } => "confirm-block",
            Act::UnblockNode => "unblock-node",
        }
    }
}

impl Block {
    /// Whether the node is, or may be, blocked by it.
    pub fn stands(&self) -> bool {
        !matches!(self.stage, Stage::Lifted { .. })
    }

    /// Whether what a map of this epoch had blocked was lifted since.
    fn outdates(&self, epoch: u64) -> bool {
        matches!(self.stage, Stage::Lifted { epoch: since, .. } if epoch <= since)
    }

    /// Whether it proves that nothing of that boot writes to this pool.
    fn proves(&self, pool: &PoolName) -> bool {
        matches!(&self.stage, Stage::Confirmed { unproven, .. } if !unproven.contains(pool))
    }
}

/// The block of a node that stands, whatever boot it is about.
pub fn standing<'a>(cluster: &'a Cluster, node: &NodeName) -> Option<&'a Block> {
    cluster.fences.get(node).map(|block| &block.value).filter(|block| block.stands())
}

/// The addresses of its own that a node says are blocked, and that no block of its own is about, or was about until after it
/// looked.
pub fn blocked_past_us<'a>(cluster: &'a Cluster, node: &NodeName) -> &'a [IpAddr] {
    let Some(word) = cluster.status(node).map(|status| &status.storage) else { return &[] };
    let is_ours = |block: &Block| block.stands() || block.outdates(word.epoch);
    let is_ours = cluster.fences.get(node).is_some_and(|block| is_ours(&block.value));
    if is_ours { &[] } else { &word.blocked }
}

/// Whether a node is, or may be, blocked at the storage, by whomever. Then it starts no VM ([`own::bar`]).
pub fn is_blocked(cluster: &Cluster, node: &NodeName) -> bool {
    standing(cluster, node).is_some() || !blocked_past_us(cluster, node).is_empty()
}

/// What proves that a boot of a node writes to this pool no more, if something does. Whatever is done on this proof rests
/// on the guard.
pub fn proof(cluster: &Cluster, node: &NodeName, boot: BootId, pool: &PoolName) -> Option<Guard> {
    let block = cluster.fences.get(node)?;
    let proves = block.value.boot == boot && block.value.proves(pool);
    proves.then(|| Guard { record: RecordId::Fence(node.clone()), expect: block.expect() })
}

/// What proves that whoever had come from this address before it was blocked writes to this pool no more.
pub fn proof_of_address(cluster: &Cluster, address: IpAddr, pool: &PoolName) -> Option<Guard> {
    let proves = |block: &Block| block.addresses.contains(&address) && block.proves(pool);
    let (node, block) = cluster.fences.iter().find(|(_, block)| proves(&block.value))?;
    Some(Guard { record: RecordId::Fence(node.clone()), expect: block.expect() })
}

#[cfg(test)]
mod tests;
