//! What a fence at the storage is: the blockade that was laid, and how far it is known to have come.

use std::net::IpAddr;

use logic::id::PoolName;

use super::Cause;
use super::error::Refusal;

/// Addresses that were blocked, and from when on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Blockade {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The storage's map has them from this epoch on.
    pub epoch: u64,
}

/// The addresses that are blocked whole, in the storage's map of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// The epoch.
    pub epoch: u64,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// How far a blockade is known to have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Every OSD that the newest map calls up keeps to it.
    Everywhere {
        /// The epoch of that map.
        epoch: u64,
        /// Pools in which an OSD that is cut off takes writes alone, because one copy is all that they keep: for a
        /// volume in them this proves nothing.
        unproven: Vec<PoolName>,
    },
    /// Some do not, or did not answer.
    Awaited(Vec<Awaited>),
}

/// An OSD that has not confirmed a blockade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Its number.
    pub osd: i32,
    /// The epoch that it reports; `None` when it did not answer.
    pub epoch: Option<u64>,
}

/// Refuses what is no list of a machine's addresses: a blockade of nothing would be confirmed at once, and prove nothing.
pub(super) fn checked(addresses: &[IpAddr]) -> Result<(), Refusal> {
    let odd = |address: &&IpAddr| address.is_unspecified() || address.is_loopback() || address.is_multicast();
    let why = match (addresses.is_empty(), addresses.iter().find(odd)) {
        (true, _) => "no address was given".to_owned(),
        (false, Some(address)) => format!("{address} is the address of no machine"),
        (false, None) => return Ok(()),
    };
    Err(Refusal::new(Cause::Unfit, why, "give the addresses that the node has on the storage network"))
}
