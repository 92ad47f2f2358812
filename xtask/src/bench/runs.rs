//! The runs of a measurement that takes long: each is kept in a file when it ends, and a measurement that was broken off
//! goes on after the last one.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::say;

/// The runs so far, in the order in which they ended.
#[derive(Debug)]
pub struct Runs {
    file: PathBuf,
    kept: Vec<Value>,
}

impl Runs {
    /// Those of a measurement that was broken off on the same thing, or none. `on` tells on what it is taken.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn resume(folder: &Path, name: &str, on: &Value) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{name}-runs.jsonl"));
        let text = fs::read_to_string(&file).unwrap_or_default();
        // A line that was being written when it was broken off is no run.
        let mut lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.first() == Some(on) {
            let kept = lines.split_off(1);
            say::line(format!("{} runs were made before", kept.len()));
            return Ok(Self { file, kept });
        }
        fs::write(&file, format!("{on}\n"))?;
        Ok(Self { file, kept: Vec::new() })
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.kept.len()
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: &str) -> usize {
        self.of(kind).count()
    }

    /// Those of a kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.kept.iter().filter(move |run| run["kind"] == kind)
    }

    /// One value of every run of a kind; infinite where the run failed.
    pub fn values(&self, kind: &str, name: &str) -> Vec<f64> {
        self.of(kind).map(|run| run[name].as_f64().unwrap_or(f64::INFINITY)).collect()
    }

    /// How many of a kind failed.
    pub fn failed(&self, kind: &str) -> usize {
        self.of(kind).filter(|run| run["failed"].is_string()).count()
    }

    /// Makes and keeps runs of a kind until there are so many. A run that fails is kept as one that failed; after each, the
    /// next is made ready.
    ///
    /// # Errors
    /// When the next cannot be made ready, or the file not be written.
    pub fn fill(
        &mut self,
        (kind, wanted): (&str, usize),
        run: impl Fn() -> Result<Value>,
        ready: impl Fn() -> Result<()>,
    ) -> Result<()> {
        while self.count(kind) < wanted {
            self.add(kind, run())?;
            ready()?;
        }
        Ok(())
    }

    /// Keeps a run: what it gave, an object, or why it failed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, kind: &str, run: Result<Value>) -> Result<()> {
        let mut value = run.unwrap_or_else(|error| json!({ "failed": format!("{error:#}") }));
        value["kind"] = kind.into();
        say::line(format!("  {} {value}", self.kept.len() + 1));
        let mut file = OpenOptions::new().append(true).open(&self.file)?;
        writeln!(file, "{value}")?;
        self.kept.push(value);
        Ok(())
    }

    /// Puts the file aside: the measurement is complete, and the next begins anew.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn finish(self) -> Result<()> {
        fs::rename(&self.file, self.file.with_extension("last.jsonl")).context("the runs cannot be put aside")
    }
}

#[cfg(test)]
mod tests;
