//! What only this crate asks of links: their counters, and whether a call about them makes sense.

use logic::limits::{MTU_MAX, MTU_MIN};
use logic::network::{LinkKind, LinkName, LinkState};

use super::Error;

/// What went through a link since it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The link.
    pub link: LinkName,
    /// What it is made of.
    pub kind: LinkKind,
    /// Whether it carries anything.
    pub state: LinkState,
    /// Its speed in Mbit/s, where it has one.
    pub speed_mbit: Option<u32>,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// Whether a link can carry anything to anybody.
pub(super) fn check_carries(what: &str, link: &LinkName, state: LinkState) -> Result<(), Error> {
    match state {
        LinkState::Up => Ok(()),
        LinkState::Down => Err(Error::refused(what, format!("{link} is down"), "bring the link up first")),
        LinkState::NoCarrier => {
            Err(Error::refused(what, format!("{link} has no carrier"), "see to its cable and its switch"))
        }
    }
}

/// Whether a link may be asked to have this MTU.
pub(super) fn check_mtu(what: &str, mtu: u32) -> Result<(), Error> {
    if (MTU_MIN..=MTU_MAX).contains(&mtu) {
        return Ok(());
    }
    let why = format!("an MTU is {MTU_MIN} to {MTU_MAX} bytes, so that IPv6 works");
    Err(Error::refused(what, why, "correct the MTU in pvc.toml"))
}

#[cfg(test)]
mod tests;
