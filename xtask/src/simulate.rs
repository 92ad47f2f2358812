//! The simulator's commands: random schedules, recorded scenarios, and the guards taken away one after the other.

use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::command::program;
use crate::mutations::{self, Workbench};
use crate::{say, tree};

/// How many seeds the swarm has to notice that a guard is missing.
pub const MUTATION_SEEDS: u32 = 8_000;

/// Runs the simulator's own program with these words.
///
/// # Errors
/// When cargo cannot be started.
pub fn run(words: &[&str]) -> Result<ExitStatus> {
    let mut cargo = program("cargo");
    cargo.current_dir(tree::root()).args(["run", "--quiet", "--release", "-p", "sim", "--bin", "sim", "--"]);
    cargo.args(words).status().context("cannot start cargo")
}

/// Takes each guard away in a copy of the sources and expects the swarm to fail.
///
/// # Errors
/// When the unchanged copy does not compile or fails already.
pub fn mutations(words: &[&str]) -> Result<ExitCode> {
    let seeds = match words {
        [] => MUTATION_SEEDS,
        ["--seeds", seeds] => seeds.parse().context("--seeds takes a number")?,
        _ => bail!("usage: cargo xtask sim mutations [--seeds N]"),
    };
    let patches = mutations::all()?;
    if patches.is_empty() {
        bail!("there is no mutation in sim/mutations");
    }
    let bench = Workbench::ensure(&tree::target().join("mutations"))?;
    say::line(format!("the unchanged sources, {seeds} seeds"));
    bench.build()?;
    if let Some(failure) = bench.swarm(seeds)? {
        bail!("the swarm fails without any mutation:\n{failure}");
    }
    let mut rows = vec![["mutation", "noticed", "after", "by"].map(str::to_owned).to_vec()];
    let mut unnoticed = 0;
    for mutation in &patches {
        say::line(&mutation.name);
        let begin = Instant::now();
        let (noticed, by) = match bench.with(mutation, |bench| bench.swarm(seeds)) {
            Ok(Some(said)) => ("yes", mutations::verdict(&said)),
            Ok(None) => ("NO", format!("nothing in {seeds} seeds")),
            Err(error) => ("BAD PATCH", mutations::verdict(&format!("{error:#}"))),
        };
        unnoticed += usize::from(noticed != "yes");
        rows.push(vec![mutation.name.clone(), noticed.into(), say::seconds(rounded(begin.elapsed())), by]);
    }
    say::line(format!("\n{}", say::table(&rows)));
    say::line(format!("{} passed, {unnoticed} failed", patches.len() - unnoticed));
    Ok(if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn rounded(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
