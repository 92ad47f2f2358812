//! The laws of trials: what a trial of any storage measures, and what it refuses. Small and short ones.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use host::storage::{Cause, Exercise, Onward, Watch};
use logic::storage::VolumePath;
use logic::storage::benchmark::{BenchmarkId, Direction, Trial};
use logic::time::Span;
use nix::sys::signal::{SigSet, Signal};

use crate::content::Unwatched;
use crate::world::{Home, World, cause, wait};

const SIZE_BYTES: u64 = 16 << 20;

/// A trial that takes a second.
fn exercise(volume: &VolumePath, trial: Trial) -> Exercise {
    Exercise {
        benchmark: BenchmarkId(1),
        volume: volume.clone(),
        trial,
        region_bytes: SIZE_BYTES,
        ramp: Span(0),
        span: Span::seconds(1),
        begin_by: None,
    }
}

pub(crate) fn every_trial_measures_something(world: &dyn World) {
    let home = Home::of(world);
    let volume = home.path("pvcbenchmark");
    home.storage.create_plain(&volume, SIZE_BYTES).unwrap();
    for trial in Trial::ALL {
        let figures = home.storage.run_trial(&exercise(&volume, trial), &Unwatched).unwrap();
        let io = &figures.io;
        assert!(io.byte_count > 0 && io.piece_count > 0, "{trial:?}: {io:?}");
        assert!(io.bytes_per_s > 0.0 && io.pieces_per_s > 0.0, "{trial:?}: {io:?}");
        assert!(io.byte_count.is_multiple_of(trial.piece_bytes()), "{trial:?}: {io:?}");
        let latency = &io.latency;
        assert!(
            0.0 < latency.min_ns
                && latency.min_ns <= latency.mean_ns
                && latency.mean_ns <= latency.max_ns
                && latency.percentiles.iter().is_sorted(),
            "{trial:?}: {latency:?}"
        );
        assert!(latency.percentiles.iter().any(|(part, _)| *part == 99.0), "{trial:?}: {latency:?}");
    }
    // Nobody has it open any more.
    home.storage.remove(&volume).unwrap();
    assert!(home.names().is_empty());
}

pub(crate) fn what_is_measured_is_made_once(world: &dyn World) {
    let home = Home::of(world);
    let volume = home.path("plain");
    for _ in 0..2 {
        home.storage.create_plain(&volume, SIZE_BYTES).unwrap();
    }
    assert_eq!(home.storage.volume(&volume).unwrap().unwrap().size_bytes, SIZE_BYTES);
    assert_eq!(cause(home.storage.create_plain(&volume, 2 * SIZE_BYTES)), Cause::Exists);
    assert_eq!(cause(home.storage.create_plain(&home.path("none"), 0)), Cause::Unfit);
    home.storage.remove(&volume).unwrap();
}

pub(crate) fn what_cannot_be_measured_is_refused(world: &dyn World) {
    let home = Home::of(world);
    let absent = exercise(&home.path("absent"), Trial::SmallRead);
    assert_eq!(cause(home.storage.run_trial(&absent, &Unwatched)), Cause::Absent);
    let volume = home.path("small");
    home.storage.create_plain(&volume, SIZE_BYTES / 2).unwrap();
    let too_large = exercise(&volume, Trial::SmallRead);
    assert_eq!(cause(home.storage.run_trial(&too_large, &Unwatched)), Cause::Unfit);
    home.storage.remove(&volume).unwrap();
}

/// Lets a trial go on for a while.
struct Impatient {
    asked: AtomicU32,
    /// When it was told to end.
    refused: OnceLock<Instant>,
}

/// Who does not end by itself in this time is killed.
const GRACE: Duration = Duration::from_secs(10);

impl Watch for Impatient {
    fn moved(&self, _done_bytes: u64, _total_bytes: u64) -> Onward {
        // Asked every few milliseconds where time passes: fio has begun by then.
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0..300 => Onward::Yes,
            _ => {
                self.refused.get_or_init(Instant::now);
                Onward::No
            }
        }
    }
}

pub(crate) fn a_trial_can_be_ended_and_lets_go_of_the_volume(world: &dyn World) {
    let home = Home::of(world);
    let volume = home.path("ended");
    home.storage.create_plain(&volume, SIZE_BYTES).unwrap();
    let long = Exercise { span: Span::seconds(600), ..exercise(&volume, Trial::SmallWrite) };
    // As in the daemons, which wait for their signals on a thread that is there for that.
    let mut held_back = SigSet::empty();
    held_back.add(Signal::SIGTERM);
    held_back.thread_block().unwrap();
    // A machine that stands still makes it late once, and a signal that does not reach it makes it late each time.
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= GRACE) {
        assert!(took.len() < 3, "it was killed, and did not end by itself: {took:?}");
        let impatient = Impatient { asked: AtomicU32::new(0), refused: OnceLock::new() };
        assert_eq!(cause(home.storage.run_trial(&long, &impatient)), Cause::Ended);
        took.push(impatient.refused.get().unwrap().elapsed());
    }
    // Who was killed has it open until that is noticed.
    wait("nobody has it open", || took.len() == 1 || home.storage.users(&volume).unwrap().0.is_empty());
    home.storage.remove(&volume).unwrap();
}

#[test]
fn reads_and_writes_are_told_apart() {
    let writes = Trial::ALL.iter().filter(|trial| trial.direction() == Direction::Write).count();
    assert_eq!(writes, 4);
}
