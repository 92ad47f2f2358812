//! Calls that may hang: each on a thread of its own, with a deadline for its caller and a bound on those under way.
//!
//! A call that is late is left to its thread. What it has not yet asked for by then it must not ask for any more, and
//! a stuck guest can hold up calls on itself alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use logic::id::VmId;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// One guest. Its calls are made one after the other.
    Guest(VmId),
    /// All guests: a look, which changes nothing.
    All,
}

impl Subject {
    /// How many calls may be under way at once, hung ones included.
    fn calls_max(self) -> usize {
        match self {
            Self::Guest(_) => 1,
            Self::All => 4,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Earlier calls on the same subject are still under way; this one was never begun.
    InLine,
    /// It was begun and did not come back.
    UnderWay,
}

/// Whether somebody still waits for a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// `false` once the caller was told that the call is late.
    pub(super) fn is_held(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    fn give_up(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The calls under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    under_way: Mutex<HashMap<Subject, usize>>,
    freed: Condvar,
}

/// A call's place among those under way; given back when the call ends, however it ends.
#[derive(Debug)]
struct Place {
    line: Arc<Line>,
    subject: Subject,
}

impl Drop for Place {
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

impl Line {
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, usize>> {
        self.under_way.lock().expect("nobody panics while counting calls")
    }
}

impl Calls {
    /// Performs `act` on a thread of its own and waits for its answer, no longer than `until`.
    pub(super) fn run<T: Send + 'static>(
        &self,
        subject: Subject,
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
        if std::thread::Builder::new().name("libvirt-call".into()).spawn(call).is_err() {
            return Err(Late::InLine);
        }
        let outcome = answered.recv_timeout(left(until));
        outcome.map_err(|_| {
            claim.give_up();
            Late::UnderWay
        })
    }

    /// A place among the calls under way, as soon as there is one.
    fn place(&self, subject: Subject, until: Instant) -> Option<Place> {
        let under_way = self.line.lock();
        let full = |under_way: &mut HashMap<Subject, usize>| {
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
        *under_way.entry(subject).or_default() += 1;
        Some(Place { line: Arc::clone(&self.line), subject })
    }
}

/// The time left.
pub(super) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests;
