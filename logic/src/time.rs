//! Moments and spans: given to every decision, never read by one.
//!
//! Two clocks, never mixed. The boot clock counts milliseconds since the machine started, goes on while it sleeps, and
//! is what deadlines and leases are measured with; it means nothing on another machine or after a reboot. The wall
//! clock is what an operator reads, and is only ever shown.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment on this machine's boot clock, in milliseconds since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(pub u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

/// A moment on the wall clock, in milliseconds since 1970 (UTC). Shown to people, never compared for safety.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub u64);

/// Now, on both clocks, read once for a whole pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For deadlines.
    pub boot: BootTime,
    /// For people.
    pub wall: WallTime,
}

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(count * 1000)
    }
}

impl Add<Span> for BootTime {
    type Output = BootTime;
    fn add(self, span: Span) -> BootTime {
        BootTime(self.0.saturating_add(span.0))
    }
}

impl Sub for BootTime {
    type Output = Span;
    /// The span from `earlier` to `self`; zero where it would be negative.
    fn sub(self, earlier: BootTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}
