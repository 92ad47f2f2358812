//! The simulator's command: `swarm --seeds N [--first SEED]`, `replay SEED`, `shrink SEED`, `scenarios [--bless] [FOLDER]`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use sim::counts::Counts;
use sim::{scenario, swarm};

/// How many of the first seeds are played a second time, to see that the same seed gives the same log.
const REPLAYED: u64 = 50;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match *words {
        ["swarm", "--seeds", seeds] => swarm_of(seeds, "1"),
        ["swarm", "--seeds", seeds, "--first", first] => swarm_of(seeds, first),
        ["replay", seed] => replay(seed),
        ["shrink", seed] => shrink(seed),
        ["scenarios", ref rest @ ..] => scenarios(rest),
        _ => Err(anyhow::anyhow!(
            "usage: sim swarm --seeds N [--first SEED] | sim replay SEED | sim shrink SEED | sim scenarios [--bless] [FOLDER]"
        )),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    // A reader that went away is no reason to fail.
    let _gone = writeln!(std::io::stdout().lock(), "{text}");
}

/// Plays seeds on every core until one fails. False when one did; the lowest of them is told with its story.
fn swarm_of(seeds: &str, first: &str) -> Result<bool> {
    let (seeds, first): (u64, u64) = (seeds.parse().context("--seeds")?, first.parse().context("--first")?);
    let next = AtomicU64::new(first);
    let total = Mutex::new((Counts::default(), None::<swarm::Outcome>));
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + seeds {
                        return;
                    }
                    let mut outcome = swarm::play(seed);
                    if seed < first + REPLAYED && swarm::play(seed).fingerprint != outcome.fingerprint {
                        outcome.violation.get_or_insert_with(|| "the same seed gave another log".into());
                    }
                    let mut total = total.lock().expect("no thread panics while it adds");
                    total.0.merge(&outcome.counts);
                    let lower = total.1.as_ref().is_none_or(|other| seed < other.seed);
                    if outcome.violation.is_some() {
                        total.0.add("outcome", "failed");
                        if lower {
                            total.1 = Some(outcome);
                        }
                        // The seeds that are under way are lower, or of no more interest.
                        next.store(u64::MAX / 2, Ordering::SeqCst);
                    } else {
                        total.0.add("outcome", "passed");
                    }
                }
            });
        }
    });
    let (counts, failed) = total.into_inner().expect("every thread has ended");
    say(&counts.to_string());
    let steps = counts.sum("steps done") + counts.sum("steps not done");
    let took = began.elapsed().as_secs_f64();
    let played = counts.sum("outcome");
    say(&format!("{played} of {seeds} seeds from {first}, {steps} steps, {took:.1} s"));
    match failed {
        None => Ok(true),
        Some(outcome) => {
            say(&format!(
                "{}\nseed {} failed: {}",
                outcome.story,
                outcome.seed,
                outcome.violation.unwrap_or_default()
            ));
            let seed = outcome.seed;
            say(&format!(
                "play it again with: cargo xtask sim replay {seed}; make it shorter with: cargo xtask sim shrink {seed}"
            ));
            Ok(false)
        }
    }
}

fn replay(seed: &str) -> Result<bool> {
    let outcome = swarm::play(seed.parse().context("the seed")?);
    say(&outcome.story);
    say(outcome.violation.as_deref().unwrap_or("no violation"));
    Ok(outcome.violation.is_none())
}

/// Drops orders of a seed's script for as long as it still fails. False when it fails.
fn shrink(seed: &str) -> Result<bool> {
    let seed = seed.parse().context("the seed")?;
    let before = swarm::script(seed).len();
    let Some((script, outcome)) = swarm::shrink(seed) else {
        say("no violation");
        return Ok(true);
    };
    say(&outcome.story);
    say(&format!("{} of {before} orders are left:\n{}", script.len(), swarm::written(&script)));
    say(outcome.violation.as_deref().unwrap_or_default());
    Ok(false)
}

/// Plays every scenario. With `--bless` the logs are written instead of compared, which CI never does.
fn scenarios(rest: &[&str]) -> Result<bool> {
    let (bless, folders) = match *rest {
        ["--bless", ref folders @ ..] => (true, folders),
        ref folders => (false, folders),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    if all.is_empty() {
        all = std::fs::read_dir(&root)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        all.sort();
    }
    if all.is_empty() {
        bail!("there is no scenario in {}", root.display());
    }
    let mut good = true;
    for folder in all {
        let played = scenario::play(&folder)?;
        if bless {
            std::fs::write(folder.join("expected.log"), &played.log)?;
        }
        let difference = scenario::difference(&folder, &played.log)?;
        let findings: Vec<String> = played.findings.into_iter().chain(difference).collect();
        let verdict = if findings.is_empty() { "as expected" } else { "NOT as expected" };
        say(&format!("{:<40} {verdict}", folder.file_name().unwrap_or_default().to_string_lossy()));
        for finding in &findings {
            good = false;
            say(&format!("  {finding}"));
        }
    }
    Ok(good)
}
