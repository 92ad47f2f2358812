//! Frames that no address of the kernel's own can carry, sent as they are.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::ask::Failure;
use crate::network::LinkName;

/// A socket that sends frames. It is opened by the first and stays open: to close one takes the kernel longer than all
/// else that moves an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Sender {
    socket: Arc<Mutex<Option<OwnedFd>>>,
}

impl Sender {
    /// Sends frames, complete with their Ethernet header, over a link.
    pub(super) fn send(&self, link: &LinkName, frames: &[Vec<u8>]) -> Result<(), Failure> {
        let over = hardware(link)?;
        let mut sender = self.socket.lock().expect("nobody panics while sending frames");
        let open = match sender.take() {
            Some(open) => open,
            // Of no protocol: nothing is ever received by it.
            None => socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?,
        };
        let open = sender.insert(open);
        for frame in frames {
            sendto(open.as_raw_fd(), frame, &over, MsgFlags::MSG_DONTWAIT)?;
        }
        Ok(())
    }
}

/// A link as the address of a packet socket. It comes from the C library's list because one cannot be put together
/// without `unsafe`; of what it says only the link's index matters for a frame that has its header.
fn hardware(link: &LinkName) -> Result<LinkAddr, Failure> {
    let of_link = getifaddrs()?.filter(|entry| entry.interface_name == link.as_str());
    let address = of_link.filter_map(|entry| entry.address?.as_link_addr().copied()).next();
    address.ok_or(Failure::System { errno: Errno::ENODEV })
}
