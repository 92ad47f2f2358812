//! The course of a benchmark's trial: it goes on as long as this process keeps its session with the store, and nobody
//! wishes its end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use host::clock::Clock;
use host::storage::{Onward, Watch};
use logic::record::RecordId;
use logic::storage::benchmark::{Benchmark, BenchmarkId, BenchmarkWish};
use store::Store;
use store::records::read_record;

use crate::term::Term;
use crate::world::Fault;

/// How often the store is asked what is wished.
const INTERVAL: Duration = Duration::from_secs(1);

/// A trial under way.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    store: &'a dyn Store,
    benchmark: BenchmarkId,
    term: Term<'a>,
    /// When the store was last asked.
    asked: Mutex<Option<Instant>>,
}

impl<'a> Course<'a> {
    /// One that begins now.
    pub(crate) fn begin(store: &'a dyn Store, clock: &'a dyn Clock, benchmark: BenchmarkId) -> Self {
        Self { store, benchmark, term: Term::begin(store, clock), asked: Mutex::default() }
    }

    /// Whether the session is still that in which it was begun.
    ///
    /// # Errors
    /// [`Fault::LeaseOver`] where it is not.
    pub(crate) fn holds(&self) -> Result<(), Fault> {
        self.term.holds()
    }

    /// Whether the operator wishes its end. A store that does not answer says nothing of that.
    fn is_cancelled(&self) -> bool {
        let mut asked = self.asked.lock().expect("nobody panics while asking");
        if asked.is_some_and(|asked| asked.elapsed() < INTERVAL) {
            return false;
        }
        *asked = Some(Instant::now());
        drop(asked);
        let record = read_record::<Benchmark>(self.store, &RecordId::Benchmark(self.benchmark));
        record.is_ok_and(|benchmark| benchmark.wish == BenchmarkWish::Ended)
    }
}

impl Watch for Course<'_> {
    fn moved(&self, _done_bytes: u64, _total_bytes: u64) -> Onward {
        if self.holds().is_err() || self.is_cancelled() { Onward::No } else { Onward::Yes }
    }
}

#[cfg(test)]
mod tests;
