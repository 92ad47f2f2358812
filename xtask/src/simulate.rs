//! The simulator's commands: random schedules, recorded scenarios, and the guards taken away one after the other.

use std::collections::BTreeSet;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::command::program;
use crate::mutations::{self, Mutation, Witness, Workbench};
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

/// Takes each guard away in a copy of the sources, or those that are named, and expects whoever guards it to notice.
///
/// # Errors
/// When the unchanged copy does not compile or fails already, or a name is none of a mutation.
pub fn mutations(words: &[&str]) -> Result<ExitCode> {
    let (seeds, names) = match words {
        ["--seeds", seeds, names @ ..] => (seeds.parse().context("--seeds takes a number")?, names),
        names => (MUTATION_SEEDS, names),
    };
    let patches = named(mutations::all()?, names)?;
    let bench = Workbench::ensure(&tree::target().join("mutations"))?;
    let witnesses: BTreeSet<&Witness> = patches.iter().map(|mutation| &mutation.witness).collect();
    for witness in witnesses {
        say::line(format!("the unchanged sources, {seeds} seeds: {witness:?}"));
        if let Some(failure) = bench.ask(witness, seeds)? {
            bail!("it fails without any mutation:\n{failure}");
        }
    }
    let mut rows = vec![["mutation", "noticed", "after", "by"].map(str::to_owned).to_vec()];
    let mut unnoticed = 0;
    for mutation in &patches {
        let begin = Instant::now();
        let (noticed, by) = match bench.with(mutation, |bench| bench.ask(&mutation.witness, seeds)) {
            Ok(Some(said)) => ("yes", mutations::verdict(&said)),
            Ok(None) => ("NO", format!("nothing in {seeds} seeds")),
            Err(error) => ("BAD PATCH", mutations::verdict(&format!("{error:#}"))),
        };
        unnoticed += usize::from(noticed != "yes");
        let row = vec![mutation.name.clone(), noticed.into(), say::seconds(rounded(begin.elapsed())), by];
        say::line(row.join("  "));
        rows.push(row);
    }
    say::line(format!("\n{}", say::table(&rows)));
    say::line(format!("{} passed, {unnoticed} failed", patches.len() - unnoticed));
    Ok(if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those of these names; all where none is given.
fn named(all: Vec<Mutation>, names: &[&str]) -> Result<Vec<Mutation>> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|mutation| mutation.name != **name)) {
        bail!(
            "there is no mutation {unknown} in sim/mutations; usage: cargo xtask sim mutations [--seeds N] [NAME...]"
        );
    }
    Ok(all
        .into_iter()
        .filter(|mutation| names.is_empty() || names.contains(&mutation.name.as_str()))
        .collect())
}

fn rounded(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
