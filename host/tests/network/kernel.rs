//! A real kernel as a world: one network namespace for the machine under test and one for its neighbours.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::network::{Address, Kernel, LinkKind, LinkName, MacAddress, Network};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, SockaddrLike, recvfrom, socket,
};

use crate::world::{Heard, How, World};

/// Two namespaces without cards. The calling thread is moved into the machine's.
pub(crate) fn world() -> Box<dyn World> {
    Box::new(Namespaces::new())
}

/// A machine and its neighbours.
pub(crate) struct Namespaces {
    neighbours: Arc<File>,
    /// Hears every frame that a neighbour gets.
    ear: OwnedFd,
    began: Instant,
    /// What was heard and not yet asked for, by the number of the neighbour's card.
    heard: RefCell<BTreeMap<u32, Vec<Heard>>>,
    cards: RefCell<BTreeMap<LinkName, u32>>,
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        let (neighbours, ear) = std::thread::spawn(neighbourhood).join().unwrap();
        enter_a_new_namespace();
        ip(&["link", "set", "lo", "up"]);
        Self {
            neighbours: Arc::new(neighbours),
            ear,
            began: Instant::now(),
            heard: RefCell::default(),
            cards: RefCell::default(),
        }
    }

    pub(crate) fn kernel() -> Kernel {
        Kernel::new(Duration::from_secs(60))
    }

    /// Does something in the neighbours' namespace, on a thread that ends with it.
    pub(crate) fn next_door<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let neighbours = Arc::clone(&self.neighbours);
        let there = move || {
            setns(&*neighbours, CloneFlags::CLONE_NEWNET).unwrap();
            act()
        };
        std::thread::spawn(there).join().unwrap()
    }

    /// Runs `ip` in the neighbours' namespace.
    pub(crate) fn ip_next_door(&self, arguments: &str) -> String {
        let arguments = arguments.to_owned();
        self.next_door(move || ip(&arguments.split(' ').collect::<Vec<_>>()))
    }

    /// Takes in what came since the last time.
    fn listen(&self) {
        let mut frame = [0; 2048];
        loop {
            match recvfrom::<LinkAddr>(self.ear.as_raw_fd(), &mut frame) {
                Ok((length, from)) => {
                    let card = u32::try_from(from.unwrap().ifindex()).unwrap();
                    let heard = understood(&frame[..length]);
                    self.heard.borrow_mut().entry(card).or_default().extend(heard);
                }
                Err(Errno::EAGAIN) => return,
                // A card that went is no reason to stop listening to the others.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(error) => panic!("the neighbours hear nothing: {error}"),
            }
        }
    }
}

impl World for Namespaces {
    fn open(&self) -> Arc<dyn Network> {
        Arc::new(Self::kernel())
    }

    fn plug(&self, link: &LinkName) {
        let neighbours = format!("/proc/{}/fd/{}", std::process::id(), self.neighbours.as_raw_fd());
        let name = link.as_str();
        ip(&["link", "add", name, "type", "veth", "peer", "name", name, "netns", &neighbours]);
        self.ip_next_door(&format!("link set {name} up"));
        let there = name.to_owned();
        let card = self.next_door(move || if_nametoindex(there.as_str()).unwrap());
        self.cards.borrow_mut().insert(link.clone(), card);
    }

    fn kind_of_cards(&self) -> LinkKind {
        LinkKind::Veth
    }

    fn pull_cable(&self, link: &LinkName) {
        self.ip_next_door(&format!("link set {link} down"));
    }

    fn take_down(&self, link: &LinkName) {
        ip(&["link", "set", link.as_str(), "down"]);
    }

    fn give_by_hand(&self, address: &Address) {
        let text = format!("{}/{}", address.ip, address.prefix_length);
        ip(&["address", "add", &text, "dev", address.link.as_str()]);
    }

    fn take_by_hand(&self, address: &Address) {
        let text = format!("{}/{}", address.ip, address.prefix_length);
        ip(&["address", "del", &text, "dev", address.link.as_str()]);
    }

    fn heard(&self, link: &LinkName) -> Vec<Heard> {
        self.listen();
        self.heard.borrow_mut().remove(&self.cards.borrow()[link]).unwrap_or_default()
    }

    fn pass_time(&self) {
        std::thread::park_timeout(Duration::from_millis(20));
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Runs `ip` in the namespace of this thread, which must succeed.
pub(crate) fn ip(arguments: &[&str]) -> String {
    let limit = Duration::from_secs(60);
    let done = host::command::run("ip", arguments, limit).expect("ip of the Debian package iproute2 runs");
    assert_eq!(done.code, Some(0), "ip {arguments:?}: {}", done.errors);
    done.output
}

fn enter_a_new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root can make network namespaces");
}

/// A namespace that lives as long as what is returned: itself, and a socket that hears everything in it.
fn neighbourhood() -> (File, OwnedFd) {
    enter_a_new_namespace();
    let namespace = File::open("/proc/thread-self/ns/net").unwrap();
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let ear = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
    assert_eq!(LinkAddr::size() as usize, size_of::<LinkAddr>());
    (namespace, ear)
}

/// An announcement, where a frame is one.
fn understood(frame: &[u8]) -> Option<Heard> {
    let mac = MacAddress(frame.get(6..12)?.try_into().ok()?);
    match frame.get(12..14)? {
        [0x08, 0x06] => {
            let how = match frame.get(20..22)? {
                [0, 1] => How::Request,
                [0, 2] => How::Reply,
                _ => return None,
            };
            let (sender, target) = (frame.get(28..32)?, frame.get(38..42)?);
            assert_eq!(frame[..6], [0xff; 6], "an announcement is for all");
            assert_eq!(frame[22..28], mac.0, "it names who sends it");
            let ip = IpAddr::from(<[u8; 4]>::try_from(sender).ok()?);
            (sender == target && ip != Ipv4Addr::UNSPECIFIED).then_some(Heard { ip, mac, how })
        }
        // An advertisement that was not asked for and overrides.
        [0x86, 0xdd] if frame.get(20) == Some(&58) && frame.get(54) == Some(&136) => {
            let flags = frame.get(58)?;
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(frame.get(62..78)?).ok()?);
            (flags & 0x60 == 0x20).then_some(Heard { ip: ip.into(), mac, how: How::Advertisement })
        }
        _ => None,
    }
}
