//! Calls that may hang: each on a thread of its own, with a deadline for its caller and a bound on those under way.
//!
//! A call that is late is left to its thread. What it has not yet asked for by then it must not ask for any more, and
//! what is stuck can hold up calls on itself alone.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a call is about.
pub(crate) trait Subject: Clone + Debug + Eq + Hash + Send + 'static {
    /// How many calls on it may be under way at once, hung ones included.
    fn calls_max(&self) -> usize;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Earlier calls on the same subject are still under way; this one was never begun.
    InLine,
    /// It was begun and did not come back.
    UnderWay,
}

/// Whether somebody still waits for a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// `false` once the caller was told that the call is late.
    pub(crate) fn is_held(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    fn give_up(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The calls under way.
#[derive(Clone, Debug)]
pub(crate) struct Calls<S: Subject> {
    line: Arc<Line<S>>,
}

impl<S: Subject> Default for Calls<S> {
    fn default() -> Self {
        Self { line: Arc::new(Line { under_way: Mutex::default(), freed: Condvar::new() }) }
    }
}

#[derive(Debug)]
struct Line<S: Subject> {
    under_way: Mutex<HashMap<S, usize>>,
    freed: Condvar,
}

/// A call's place among those under way; given back when the call ends, however it ends.
#[derive(Debug)]
struct Place<S: Subject> {
    line: Arc<Line<S>>,
    subject: S,
}

impl<S: Subject> Drop for Place<S> {
    fn drop(&mut self) {
        let mut under_way = self.line.lock();
        if let Some(count) = under_way.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.subject);
            }
        }
        self.line.freed.notify_all();
    }
}

impl<S: Subject> Line<S> {
    fn lock(&self) -> MutexGuard<'_, HashMap<S, usize>> {
        self.under_way.lock().expect("nobody panics while counting calls")
    }
}

impl<S: Subject> Calls<S> {
    /// Performs `act` on a thread of its own and waits for its answer, no longer than `until`.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        subject: S,
        until: Instant,
        act: impl FnOnce(&Claim) -> T + Send + 'static,
    ) -> Result<T, Late> {
        let place = self.place(subject, until).ok_or(Late::InLine)?;
        let claim = Claim::default();
        let (answer, answered) = sync_channel(1);
        let held = claim.clone();
        let call = move || {
            let _place = place;
            // The caller may be gone; then nobody wants the answer.
            let _ = answer.send(act(&held));
        };
        if std::thread::Builder::new().name("call".into()).spawn(call).is_err() {
            return Err(Late::InLine);
        }
        let outcome = answered.recv_timeout(left(until));
        outcome.map_err(|_| {
            claim.give_up();
            Late::UnderWay
        })
    }

    /// A place among the calls under way, as soon as there is one.
    fn place(&self, subject: S, until: Instant) -> Option<Place<S>> {
        let under_way = self.line.lock();
        let full = |under_way: &mut HashMap<S, usize>| {
            under_way.get(&subject).is_some_and(|count| *count >= subject.calls_max())
        };
        let (mut under_way, waited) = self
            .line
            .freed
            .wait_timeout_while(under_way, left(until), full)
            .expect("nobody panics while counting calls");
        if waited.timed_out() {
            return None;
        }
        *under_way.entry(subject.clone()).or_default() += 1;
        Some(Place { line: Arc::clone(&self.line), subject })
    }
}

/// The time left.
pub(crate) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests;
