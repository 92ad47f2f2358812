//! `bench NAME`: a table for people, and one line of JSON last, which is also kept in `target/bench/NAME.jsonl`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::command::program;
use crate::{say, tree};

pub mod api;
pub mod drain;
pub mod footprint;
pub mod handover;
pub mod load;
pub mod migrate;
pub mod ping;
pub mod report;
pub mod runs;
pub mod stage;
pub mod storage;

/// The measurements there are.
const NAMES: [&str; 7] = ["store", "api", "handover", "migrate", "drain", "footprint", "storage"];

/// Runs one.
///
/// # Errors
/// When there is none of that name, or it cannot be run.
pub fn run(words: &[&str], xtask: &Path) -> Result<()> {
    let line = match words {
        ["store"] => store()?,
        ["api"] => told(&api::run(xtask)?),
        ["handover", rest @ ..] => told(&handover::run(rest, xtask)?),
        ["migrate", rest @ ..] => told(&migrate::run(rest, xtask)?),
        ["drain", rest @ ..] => told(&drain::run(rest, xtask)?),
        ["footprint", rest @ ..] => told(&footprint::run(rest, xtask)?),
        ["storage", rest @ ..] => told(&storage::run(rest, xtask)?),
        _ => bail!("usage: cargo xtask bench {}", NAMES.join("|")),
    };
    keep(words[0], &line)
}

/// The store's own program measures; its output is passed on.
fn store() -> Result<String> {
    let mut cargo = program("cargo");
    cargo.current_dir(tree::root()).args([
        "run",
        "--quiet",
        "--release",
        "-p",
        "store",
        "--example",
        "bench",
    ]);
    let ran = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    say::line(said.trim_end());
    if !ran.status.success() {
        bail!("the measurement ended with {}", ran.status);
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let _valid: serde_json::Value = serde_json::from_str(last).context("its last line is no JSON")?;
    Ok(last.to_owned())
}

/// Prints the table and the line, and gives the line.
fn told(report: &report::Report) -> String {
    say::line(format!("\n{}", report.table()));
    let line = report.line();
    say::line(&line);
    line
}

fn keep(name: &str, line: &str) -> Result<()> {
    let folder = tree::target().join("bench");
    fs::create_dir_all(&folder)?;
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.jsonl")))?;
    Ok(writeln!(file, "{line}")?)
}
