//! Whether a node can be fenced at the storage, and the record that asks for it.
//!
//! Whether a node is to be fenced is decided elsewhere. This only says what it takes: addresses that it registered, and that
//! nobody else has.

use std::net::IpAddr;

use super::{Block, Stage};
use crate::cluster::Cluster;
use crate::id::NodeName;
use crate::record::{RecordId, Records, expect_of};
use crate::time::WallTime;

/// Why a node cannot be fenced at the storage: another proof is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no such node.
    #[error("node \"{node}\" is not registered")]
    Unknown {
        /// Which.
        node: NodeName,
    },
    /// It is not known where it would write from.
    #[error("node \"{node}\" has registered no storage address, so nothing of it can be blocked")]
    Nowhere {
        /// Which.
        node: NodeName,
    },
    /// What it writes from is another's, too.
    #[error(
        "node \"{node}\" has registered the storage address {address}, and so has \"{other}\": blocking it would block both"
    )]
    Shared {
        /// Which.
        node: NodeName,
        /// The address.
        address: IpAddr,
        /// Who has it, too.
        other: NodeName,
    },
    /// Its last block is being lifted.
    #[error("the last block of node \"{node}\" is being lifted; ask again")]
    Lifting {
        /// Which.
        node: NodeName,
    },
}

/// Asks that the present boot of a node be fenced at the storage. Nothing is written where that was asked before.
///
/// # Errors
/// [`Unfit`] says why it cannot be.
pub fn ask(cluster: &Cluster, node: &NodeName, now: WallTime) -> Result<Records, Unfit> {
    let unknown = || Unfit::Unknown { node: node.clone() };
    let registered = cluster.nodes.get(node).and_then(|entry| entry.node.as_ref()).ok_or_else(unknown)?;
    let boot = registered.value.boot;
    let current = cluster.fences.get(node).map(|current| &**current);
    if let Some(standing) = current.map(|current| &current.value).filter(|block| block.stands()) {
        let is_lifted = standing.boot != boot || matches!(standing.stage, Stage::Lifting { .. });
        return match is_lifted {
            true => Err(Unfit::Lifting { node: node.clone() }),
            false => Ok(Records::default()),
        };
    }
    let addresses = registered.value.storage_addresses.clone();
    if addresses.is_empty() {
        return Err(Unfit::Nowhere { node: node.clone() });
    }
    for (other, entry) in cluster.nodes.iter().filter(|(other, _)| *other != node) {
        let theirs = entry.node.as_ref().map(|node| &node.value.storage_addresses);
        if let Some(address) = addresses.iter().find(|one| theirs.is_some_and(|theirs| theirs.contains(one)))
        {
            return Err(Unfit::Shared { node: node.clone(), address: *address, other: other.clone() });
        }
    }
    let number = current.map_or(0, |current| current.value.number) + 1;
    let block = Block { number, boot, addresses, since: now, stage: Stage::Wanted };
    // What was registered meanwhile, an address or another boot, is to be known.
    Ok(Records::default().guard(RecordId::Node(node.clone()), registered.expect()).write(
        RecordId::Fence(node.clone()),
        expect_of(current),
        block.into(),
    ))
}
