//! Everything built once, in one profile, with what cargo tells of it; and the lints.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::command::{capture, program, run_logged, tail};
use crate::test::libtest::{self, Outcome};
use crate::test::tally::Tally;
use crate::tree;

/// Where a test program's tests stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Beside the code they test.
    Unit,
    /// In the folder `tests`.
    Integration,
}

/// What runs the tests of a test program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harness {
    /// Rust's own: many tests, and a line that counts them.
    Own,
    /// None: the program is one test, which passed when it ends well.
    None,
}

impl Harness {
    /// What a manifest says about one of its tests.
    pub fn of(manifest: &str, target: &str) -> Self {
        let sections = manifest.split("[[test]]").skip(1);
        let ours = sections.map(|section| section.split("\n[").next().unwrap_or_default());
        let mut named = ours.filter(|section| section.contains(&format!("name = \"{target}\"")));
        if named.any(|section| section.contains("harness = false")) { Self::None } else { Self::Own }
    }
}

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// The crate it belongs to.
    pub package: String,
    /// The library, program or file of tests that it was made of.
    pub target: String,
    /// Where its tests stand.
    pub kind: Kind,
    /// Whether it is run by Rust's own harness, which tells a result.
    pub harness: Harness,
    /// The crate's folder, in which it is to be run.
    pub folder: PathBuf,
    /// The program.
    pub path: PathBuf,
}

/// Builds all libraries, programs and tests of the workspace, and tells which test programs there are.
///
/// # Errors
/// When something does not compile.
pub fn everything() -> Result<Vec<Executable>> {
    let mut cargo = program("cargo");
    cargo.current_dir(tree::root()).args(["build", "--workspace", "--lib", "--bins", "--tests"]);
    // One invocation for all, so that nothing is built twice with other features.
    cargo.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    let built = cargo.output().context("cannot start cargo")?;
    if !built.status.success() {
        bail!("the workspace does not compile");
    }
    let mut found: Vec<Executable> =
        String::from_utf8_lossy(&built.stdout).lines().filter_map(executable).collect();
    found.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(found)
}

/// The test program in one message of cargo's, if it tells of one.
pub fn executable(message: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_owned();
    let target = message["target"]["name"].as_str()?.to_owned();
    let integration = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
    Some(Executable {
        package: folder.file_name()?.to_str()?.to_owned(),
        harness: Harness::of(&std::fs::read_to_string(&manifest).unwrap_or_default(), &target),
        target,
        kind: if integration { Kind::Integration } else { Kind::Unit },
        folder,
        path: message["executable"].as_str()?.into(),
    })
}

/// Formatting, and clippy with every warning an error.
pub fn lints(tally: &mut Tally, end: Instant) {
    tally.check("the code is formatted", || {
        let mut cargo = program("cargo");
        let ended = capture(cargo.current_dir(tree::root()).args(["fmt", "--all", "--check"]))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            let differing: Vec<&str> = said.lines().filter(|line| line.starts_with("Diff in")).collect();
            bail!("run `cargo fmt`: {}", tail(&differing.join("\n"), 10));
        }
        Ok(())
    });
    tally.check("clippy finds nothing", || {
        let mut cargo = program("cargo");
        cargo.current_dir(tree::root()).args(["clippy", "--quiet", "--workspace", "--all-targets", "--"]);
        run_logged(cargo.args(["-D", "warnings"]), &tree::target().join("clippy.log"), left(end))
    });
}

/// The examples in the documentation.
pub fn documentation_tests(tally: &mut Tally, end: Instant) {
    let mut cargo: Command = program("cargo");
    cargo.current_dir(tree::root()).args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    let log = tree::target().join("doc-tests.log");
    let ran = run_logged(&mut cargo, &log, left(end));
    let outcome = Outcome::parse(&std::fs::read_to_string(&log).unwrap_or_default());
    libtest::count("documentation", "examples", &outcome, ran, tally);
}

/// What is left of a suite's time.
pub fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(Duration::from_secs(5))
}
