//! Calls that may hang: each on a thread of its own, with a deadline for its caller and a bound on those under way.
//!
//! A call that is late is left to its thread, which looks at the same deadline before it asks the kernel for anything
//! more.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// There was no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

/// The calls under way.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    shared: Arc<Shared>,
    calls_max: usize,
}

#[derive(Debug, Default)]
struct Shared {
    under_way: Mutex<usize>,
    freed: Condvar,
}

/// A call's place among those under way; given back when the call ends, however it ends.
#[derive(Debug)]
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.under_way.lock().expect("nobody panics while counting calls") -= 1;
        self.0.freed.notify_one();
    }
}

impl Lane {
    pub(super) fn new(calls_max: usize) -> Self {
        Self { shared: Arc::default(), calls_max }
    }

    /// Performs `act` on a thread of its own and waits for its answer, no longer than `until`.
    pub(super) fn run<T: Send + 'static>(
        &self,
        until: Instant,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Late> {
        let place = self.place(until)?;
        let (answer, answered) = sync_channel(1);
        let call = move || {
            let _place = place;
            // The caller may be gone; then nobody wants the answer.
            let _ = answer.send(act());
        };
        std::thread::Builder::new().name("network-call".into()).spawn(call).map_err(|_| Late)?;
        answered.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| Late)
    }

    fn place(&self, until: Instant) -> Result<Place, Late> {
        let under_way = self.shared.under_way.lock().expect("nobody panics while counting calls");
        let left = until.saturating_duration_since(Instant::now());
        let (mut under_way, waited) = self
            .shared
            .freed
            .wait_timeout_while(under_way, left, |count| *count >= self.calls_max)
            .expect("nobody panics while counting calls");
        if waited.timed_out() {
            return Err(Late);
        }
        *under_way += 1;
        Ok(Place(Arc::clone(&self.shared)))
    }
}

#[cfg(test)]
mod tests;
