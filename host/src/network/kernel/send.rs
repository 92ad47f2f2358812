//! Frames that no address of the kernel's own can carry, sent as they are.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::ask::Failure;
use crate::network::LinkName;

/// Sends frames, complete with their Ethernet header, over a link.
pub(super) fn send(link: &LinkName, frames: &[Vec<u8>]) -> Result<(), Failure> {
    let over = hardware(link)?;
    // Of no protocol: it sends, and nothing is ever received by it.
    let sender = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    for frame in frames {
        sendto(sender.as_raw_fd(), frame, &over, MsgFlags::empty())?;
    }
    Ok(())
}

/// A link as the address of a packet socket. It comes from the C library's list because one cannot be put together
/// without `unsafe`; of what it says only the link's index matters for a frame that has its header.
fn hardware(link: &LinkName) -> Result<LinkAddr, Failure> {
    let of_link = getifaddrs()?.filter(|entry| entry.interface_name == link.as_str());
    let address = of_link.filter_map(|entry| entry.address?.as_link_addr().copied()).next();
    address.ok_or(Failure::System { errno: Errno::ENODEV })
}
