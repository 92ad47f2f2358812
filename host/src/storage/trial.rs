//! Trials of benchmarks: how fast a volume is written and read, as fio measures it.
//!
//! fio is a program of its own, and reaches volumes as guests do: those in Ceph through librbd, those in a directory as
//! files past the kernel's cache. It ends with whoever started it, and what it has open is closed then.

use std::fmt::Debug;

use logic::storage::VolumePath;
pub use logic::storage::benchmark::{Exercise, TrialFigures};

use super::{Error, Watch};

pub(super) mod fio;
mod report;
mod sample;

/// Measures volumes.
pub trait Trials: Send + Sync + Debug {
    /// An empty volume of this size is there whose bytes lie as they are, so that nothing stands between a trial and the
    /// storage. Done if one of this size is there, empty or not.
    ///
    /// # Errors
    /// One of another size is there, or of another kind; the size is zero, there is no such pool, or no room.
    fn create_plain(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error>;

    /// Makes a trial, as long as it is watched; what is in the volume is lost. Takes as long as the trial, and a little.
    ///
    /// # Errors
    /// There is no such volume, it is smaller than what is to be touched, or it was ended; the storage fails what is
    /// asked of it, or fio does not end in time.
    fn run_trial(&self, exercise: &Exercise, watch: &dyn Watch) -> Result<TrialFigures, Error>;
}

/// What is being done, as what follows "to".
pub(super) fn what(exercise: &Exercise) -> String {
    format!("measure {} by {}", exercise.volume, exercise.trial.name())
}
