//! The program fio as a child process: how it is asked for a trial, and what becomes of it when nobody wants its answer any more.

use std::time::{Duration, Instant};

use logic::storage::benchmark::figures::Way;
use logic::storage::benchmark::{Direction, Exercise, Order, TrialFigures};

use super::report;
use super::sample::Sample;
use super::what;
use crate::command;
use crate::storage::error::Refusal;
use crate::storage::{Cause, Error, Onward, Volume, Watch};

/// How much longer than its trial fio may take: to come up, to close what it has open, and for pieces that take long.
const SPARE: Duration = Duration::from_secs(60);

/// What a program exits with that starts another one which is not there.
const NOT_THERE: i32 = 127;

/// Where fio finds a volume.
#[derive(Clone, Debug)]
pub(in crate::storage) struct Target {
    /// What it is told of that.
    pub(in crate::storage) words: Vec<String>,
    /// What is set in its environment, as `NAME=VALUE`.
    pub(in crate::storage) environment: Vec<String>,
    /// How the volume is reached so.
    pub(in crate::storage) way: Way,
}

/// The volume can be touched as far as the trial does.
pub(in crate::storage) fn check(exercise: &Exercise, volume: Option<&Volume>) -> Result<(), Error> {
    let refused = |refusal| Err(Error::refused(&what(exercise), refusal));
    match volume {
        None => refused(Refusal::absent(format!("volume {}", exercise.volume))),
        Some(volume) if volume.size_bytes < exercise.region_bytes => {
            let why = format!("{} has {} bytes", exercise.volume, volume.size_bytes);
            refused(Refusal::new(Cause::Unfit, why, "touch less of it"))
        }
        Some(_) => Ok(()),
    }
}

/// Has fio make a trial.
pub(in crate::storage) fn run(
    exercise: &Exercise,
    target: &Target,
    watch: &dyn Watch,
) -> Result<TrialFigures, Error> {
    let what = what(exercise);
    let words = words(exercise, target);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let limit = Duration::from_millis(exercise.ramp.0 + exercise.span.0) + SPARE;
    let failed = |error: command::Error| match error {
        command::Error::Overdue { .. } => Error::silent(&what, limit),
        command::Error::Unwanted { .. } => Error::refused(&what, Refusal::ended()),
        command::Error::Start { source, .. } => Error::Unreachable {
            why: format!("setpriv could not be started: {source}"),
            remedy: "install the Debian package util-linux".into(),
        },
    };
    let (before, began) = (Sample::take(), Instant::now());
    let mut is_wanted = || watch.moved(0, exercise.region_bytes) == Onward::Yes;
    let done = command::run_gently("setpriv", &words, limit, &mut is_wanted).map_err(failed)?;
    let machine = Sample::take().since(&before, began.elapsed());
    match done.code {
        Some(0) => {
            let read = report::read(&done.output, exercise.trial.direction());
            let mut io = read.map_err(|why| Error::refused(&what, odd(why)))?;
            io.way = target.way;
            Ok(TrialFigures { io, machine })
        }
        Some(NOT_THERE) => Err(Error::Unreachable {
            why: "fio is not there".into(),
            remedy: "install the Debian package fio".into(),
        }),
        _ => Err(Error::refused(&what, refusal(&done))),
    }
}

fn odd(why: String) -> Refusal {
    Refusal::new(Cause::Other, why, "see whether this fio is the one of Debian")
}

fn refusal(done: &command::Finished) -> Refusal {
    let words = if done.errors.trim().is_empty() { &done.output } else { &done.errors };
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let why = format!("fio says: {}", last.unwrap_or("nothing"));
    let is_full = words.contains("No space left") || words.contains("quota exceeded");
    match is_full {
        true => Refusal::new(Cause::Full, why, "remove what is not needed, or add space"),
        false => Refusal::new(Cause::Other, why, "see the health of the storage, and begin it again"),
    }
}

/// The command line. fio is asked to end when the thread that started it is gone, and works in threads and not in
/// processes of its own, which would outlive it.
fn words(exercise: &Exercise, target: &Target) -> Vec<String> {
    let trial = exercise.trial;
    let manner = match (trial.order(), trial.direction()) {
        (Order::Sequential, Direction::Read) => "read",
        (Order::Sequential, Direction::Write) => "write",
        (Order::Random, Direction::Read) => "randread",
        (Order::Random, Direction::Write) => "randwrite",
    };
    // The daemons take these signals in a way of their own, and what they start has inherited that they are held back.
    let before = ["--pdeathsig", "TERM", "--", "env", "--default-signal=HUP,INT,TERM"].map(str::to_owned);
    let fixed = [
        "fio",
        "--thread",
        "--output-format=json",
        "--eta=never",
        "--time_based",
        "--numjobs=1",
        "--randrepeat=0",
        "--norandommap",
        "--percentile_list=50:95:99:99.9",
    ];
    let asked = [
        format!("--name={}", trial.name()),
        format!("--rw={manner}"),
        format!("--bs={}", trial.piece_bytes()),
        format!("--iodepth={}", trial.depth()),
        format!("--size={}", exercise.region_bytes),
        format!("--ramp_time={}ms", exercise.ramp.0),
        format!("--runtime={}ms", exercise.span.0),
    ];
    let words = before.into_iter().chain(target.environment.iter().cloned());
    words.chain(fixed.map(str::to_owned)).chain(asked).chain(target.words.iter().cloned()).collect()
}

#[cfg(test)]
mod tests;
