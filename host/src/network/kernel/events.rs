//! Wakes whoever watches when the kernel tells of a change; what it tells is not read.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Waker;

/// The kernel's groups that tell of links, and of addresses of both families. Not of routes: a router has thousands.
const GROUPS: [u32; 3] = [1, 5, 9];

/// How long to wait before the kernel is asked again to tell, after it refused.
const AGAIN_MS: u16 = 1000;

type Wakers = Arc<Mutex<Vec<Arc<dyn Waker>>>>;

/// Who watches, and the thread that listens for them from the first one on.
#[derive(Debug, Default)]
pub(super) struct Events {
    wakers: Wakers,
    /// Its other end sees that this one is gone, and the thread ends.
    listening: Mutex<Option<UnixStream>>,
}

impl Events {
    pub(super) fn watch(&self, waker: Arc<dyn Waker>) {
        self.wakers.lock().expect("nobody panics while listing wakers").push(waker);
        let mut listening = self.listening.lock().expect("nobody panics while starting to listen");
        if listening.is_some() {
            return;
        }
        match self.listen() {
            Ok(end) => *listening = Some(end),
            // Whoever waits for a change also looks from time to time.
            Err(error) => tracing::error!(%error, "changes of the networks are not heard of"),
        }
    }

    /// Starts to listen; once it returns, no change is missed.
    fn listen(&self) -> io::Result<UnixStream> {
        let (end, far_end) = UnixStream::pair()?;
        far_end.set_nonblocking(true)?;
        let listener = Listener { wakers: Arc::clone(&self.wakers), end: far_end };
        let socket = subscribe()?;
        std::thread::Builder::new().name("network-events".into()).spawn(move || listener.run(socket))?;
        Ok(end)
    }
}

fn subscribe() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    socket.set_non_blocking(true)?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    Ok(socket)
}

#[derive(Debug)]
struct Listener {
    wakers: Wakers,
    end: UnixStream,
}

impl Listener {
    fn run(mut self, socket: Socket) {
        let mut socket = Some(socket);
        while self.wait(socket.as_ref()) {
            if let Some(told) = &socket {
                if let Err(error) = empty(told) {
                    tracing::warn!(%error, "the kernel stopped telling of changes of the networks");
                    socket = None;
                }
            } else {
                socket = subscribe().ok();
            }
            // What was not told is learned by looking.
            let wakers = self.wakers.lock().expect("nobody panics while listing wakers").clone();
            wakers.iter().for_each(|waker| waker.wake());
        }
    }

    /// Waits until the kernel tells something, or a while without a socket; `false` when nobody listens any more.
    fn wait(&mut self, socket: Option<&Socket>) -> bool {
        let timeout = if socket.is_some() { PollTimeout::NONE } else { PollTimeout::from(AGAIN_MS) };
        let mut sources = vec![PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
        sources.extend(socket.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
        // An interrupted wait only wakes for nothing.
        let _ = poll(&mut sources, timeout);
        // Nobody ever writes: there is an end, or nothing yet.
        !matches!((&self.end).read(&mut [0]), Ok(0))
    }
}

/// Reads what was told, for nothing but to be told again.
fn empty(socket: &Socket) -> io::Result<()> {
    // A message that is cut short here is told all the same.
    let mut bytes = [0; 64];
    loop {
        match socket.recv(&mut &mut bytes[..], 0) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // More was told than fits: what it was does not matter.
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
            Err(error) => return Err(error),
        }
    }
}
