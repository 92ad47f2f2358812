//! The daemon's word to systemd: ready, alive, stopping. Nothing happens where systemd does not ask for it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where systemd listens for this daemon.
#[derive(Debug)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// What the environment says.
    ///
    /// # Errors
    /// The kernel's, when the socket that systemd names cannot be addressed.
    pub fn from_environment() -> io::Result<Self> {
        let ours = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let period = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let watchdog = period.filter(|_| ours).map(Duration::from_micros);
        Self::at(std::env::var_os("NOTIFY_SOCKET").as_deref(), watchdog)
    }

    /// At a socket, by its path or by its hidden name behind an `@`.
    ///
    /// # Errors
    /// The kernel's, when it cannot be addressed.
    pub fn at(socket: Option<&OsStr>, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match socket.map(OsStr::as_bytes) {
            None => return Ok(Self { to: None, watchdog }),
            Some([b'@', hidden @ ..]) => SocketAddr::from_abstract_name(hidden)?,
            Some(path) => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
        };
        Ok(Self { to: Some((UnixDatagram::unbound()?, address)), watchdog })
    }

    /// How often systemd wants to hear that the daemon is alive, if it does: half of what it allows.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / 2)
    }

    /// Requests are answered from now on.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The daemon is alive.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// The daemon stops.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, word: &str) {
        let Some((socket, address)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(word.as_bytes(), address) {
            tracing::warn!(%error, word, "systemd could not be told");
        }
    }
}

#[cfg(test)]
mod tests;
