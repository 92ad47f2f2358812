//! A cable between the store and its servers that a test can pull, plug in again, and break for a moment.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

#[derive(Debug, Default)]
struct State {
    pulled: bool,
    over: bool,
    ends: Vec<TcpStream>,
}

/// What one address leads to: each new connection to the next of the servers.
#[derive(Debug)]
pub(crate) struct Cable {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Cable {
    /// A cable to servers, plugged in.
    pub(crate) fn to(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let cable = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for (number, near) in listener.incoming().enumerate() {
                let (Ok(near), server) = (near, &servers[number % servers.len()]) else { return };
                if lock(&shared).over {
                    return;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                let ends = |end: &TcpStream| end.try_clone().expect("a socket can be shared");
                lock(&shared).ends.extend([ends(&near), ends(&far)]);
                carry(&shared, ends(&near), ends(&far));
                carry(&shared, far, near);
            }
        });
        cable
    }

    /// Where its near end is.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As the store's address.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on nothing comes through; what is sent meanwhile comes late, as TCP does it.
    pub(crate) fn pull(&self) {
        lock(&self.shared).pulled = true;
    }

    /// Everything comes through again.
    pub(crate) fn plug(&self) {
        lock(&self.shared).pulled = false;
        self.shared.1.notify_all();
    }

    /// Breaks every connection; new ones are possible at once.
    pub(crate) fn jerk(&self) {
        for end in std::mem::take(&mut lock(&self.shared).ends) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        lock(&self.shared).over = true;
        self.plug();
        self.jerk();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn lock(shared: &Arc<(Mutex<State>, Condvar)>) -> MutexGuard<'_, State> {
    shared.0.lock().expect("nobody panics with the cable in hand")
}

/// Carries bytes one way on a thread of its own until either end is closed.
fn carry(shared: &Arc<(Mutex<State>, Condvar)>, mut from: TcpStream, mut to: TcpStream) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut bytes).unwrap_or(0);
            let plugged = shared.1.wait_while(lock(&shared), |state| state.pulled);
            drop(plugged.expect("nobody panics with the cable in hand"));
            if count == 0 || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
