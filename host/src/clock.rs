//! The port to the machine's two clocks, the kernel's clocks, and one that is set by hand.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use logic::time::{BootTime, Now, Span, WallTime};
use nix::time::{ClockId, clock_gettime};

/// The machine's clocks, read together.
pub trait Clock: Send + Sync + Debug {
    /// Now, on the boot clock (which goes on while the machine sleeps) and on the wall clock.
    fn now(&self) -> Now;
}

/// The kernel's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            boot: BootTime(read_ms(ClockId::CLOCK_BOOTTIME)),
            wall: WallTime(read_ms(ClockId::CLOCK_REALTIME)),
        }
    }
}

fn read_ms(clock: ClockId) -> u64 {
    let since_zero = Duration::from(clock_gettime(clock).expect("every supported kernel has this clock"));
    u64::try_from(since_zero.as_millis()).expect("no clock counts half a thousand million years")
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Now>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Now) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Shows `now` from here on; also backwards, which only the wall clock of a real machine does.
    pub fn set(&self, now: Now) {
        *self.now.lock().expect("nobody panics while holding the time") = now;
    }

    /// Moves both clocks forward.
    pub fn advance(&self, span: Span) {
        let mut now = self.now.lock().expect("nobody panics while holding the time");
        now.boot = now.boot + span;
        now.wall = WallTime(now.wall.0.saturating_add(span.0));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.now.lock().expect("nobody panics while holding the time")
    }
}

#[cfg(test)]
mod tests;
