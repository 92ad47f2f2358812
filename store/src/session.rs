//! The session: the lease under which this process may act on what it holds in the store.

use std::time::Duration;

use logic::time::BootTime;
use nix::time::{ClockId, clock_gettime};

/// The session as this process may rely on it, by its own clock and not by what a client library says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Changes when a new session replaces a lost one; what was announced under an older one is gone.
    pub epoch: u64,
    /// The moment, on this machine's boot clock, after which others may hold this process for dead. `None` where
    /// nothing expires.
    pub until: Option<BootTime>,
    /// Whether the backend answers now.
    pub connected: bool,
    /// How long an answer is worth waiting for, by the process's own clock. Zero where time is given: nothing comes of
    /// waiting there.
    pub patience: Duration,
}

/// How long an unknown outcome is asked after before it is told, where time passes by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Now, on this machine's boot clock, by which leases are measured.
pub(crate) fn boot_now() -> BootTime {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has a boot clock");
    let whole = u64::try_from(time.tv_sec()).unwrap_or_default() * 1_000;
    BootTime(whole + u64::try_from(time.tv_nsec()).unwrap_or_default() / 1_000_000)
}
