//! What systemd is told: ready, stopping, alive. Nothing where nobody listens.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The socket that systemd gave this process, if it did.
#[derive(Clone, Debug)]
pub struct Notify {
    socket: Option<String>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Reads the environment that systemd sets.
    pub fn from_environment() -> Self {
        Self::new(std::env::var("NOTIFY_SOCKET").ok(), std::env::var("WATCHDOG_USEC").ok().as_deref())
    }

    /// A socket's path, or its name behind an `@`; and the watchdog's time in microseconds.
    fn new(socket: Option<String>, watchdog_us: Option<&str>) -> Self {
        let watchdog = watchdog_us.and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// The daemon serves.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The daemon is stopping.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// The loop went round.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// How long the daemon may go without [`Notify::alive`] before systemd ends it; `None` where it does not watch.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    fn say(&self, word: &str) {
        let Some(name) = &self.socket else { return };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let sent =
            address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(word.as_bytes(), &address));
        if let Err(error) = sent {
            tracing::debug!(%error, word, "systemd was not told");
        }
    }
}

#[cfg(test)]
mod tests;
