//! Trials of the storage in memory: what is written truly is, and the figures are those of no machine.

use logic::storage::VolumePath;
use logic::storage::benchmark::Direction;
use logic::storage::benchmark::figures::{IoFigures, Latency, MachineFigures, Way};

use super::Client;
use crate::storage::error::Refusal;
use crate::storage::trial::{Exercise, TrialFigures, Trials, fio, what};
use crate::storage::{Error, Onward, Volumes as _, Watch};

/// What trials leave in a volume, at its beginning.
const WRITTEN: &[u8] = b"a trial was here";

/// How much this storage moves in a second.
const BYTES_PER_S: u64 = 512 << 20;

impl Trials for Client {
    fn create_plain(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        self.create(volume, size_bytes)
    }

    fn run_trial(&self, exercise: &Exercise, watch: &dyn Watch) -> Result<TrialFigures, Error> {
        let what = what(exercise);
        let there = self.volume(&exercise.volume)?;
        fio::check(exercise, there.as_ref())?;
        // Once for each second that would pass.
        let seconds = (exercise.ramp.0 + exercise.span.0) / 1000;
        if (0..seconds).any(|_| watch.moved(0, exercise.region_bytes) == Onward::No) {
            return Err(Error::refused(&what, Refusal::ended()));
        }
        match exercise.trial.direction() {
            Direction::Read => self.look(&what, |state| state.image(&exercise.volume).map(drop))?,
            Direction::Write => self.change(&what, |state| {
                state.image_mut(&exercise.volume)?.now.write(0, WRITTEN);
                Ok(())
            })?,
        }
        Ok(figures(exercise))
    }
}

fn figures(exercise: &Exercise) -> TrialFigures {
    let byte_count = BYTES_PER_S * exercise.span.0 / 1000;
    let piece_count = byte_count / exercise.trial.piece_bytes();
    let pieces_per_s = (BYTES_PER_S / exercise.trial.piece_bytes()) as f64;
    let mean_ns = 1e9 * f64::from(exercise.trial.depth()) / pieces_per_s;
    let io = IoFigures {
        way: Way::Client,
        span_ms: exercise.span.0,
        byte_count,
        piece_count,
        bytes_per_s: BYTES_PER_S as f64,
        pieces_per_s,
        latency: Latency {
            min_ns: mean_ns,
            mean_ns,
            max_ns: mean_ns,
            deviation_ns: 0.0,
            percentiles: vec![(50.0, mean_ns), (99.0, mean_ns)],
        },
        user_percent: 0.0,
        system_percent: 0.0,
    };
    TrialFigures { io, machine: MachineFigures::default() }
}
