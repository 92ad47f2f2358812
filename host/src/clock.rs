//! The port to the machine's two clocks.

use std::fmt::Debug;

use logic::time::Now;

/// The machine's clocks, read together.
pub trait Clock: Send + Sync + Debug {
    /// Now, on the boot clock (which goes on while the machine sleeps) and on the wall clock.
    fn now(&self) -> Now;
}
