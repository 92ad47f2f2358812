//! What passed, what failed, how long each part took, and the report with its last line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::say;

/// The count of everything that was run.
#[derive(Debug, Default)]
pub struct Tally {
    parts: Vec<Part>,
    failures: Vec<String>,
    /// How many tests each crate ran, by its name, and how many of our own each suite, by "suite" and its name.
    by_owner: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Part {
    name: String,
    passed: usize,
    failed: usize,
    took: Duration,
    budget: Duration,
    counted: bool,
}

impl Tally {
    /// Runs one suite and times it.
    pub fn suite(&mut self, name: &str, budget: Duration, work: impl FnOnce(&mut Self)) {
        say::line(format!("\n== {name}: budget {} s", budget.as_secs()));
        let (begin, failed) = (Instant::now(), self.failures.len());
        self.parts.push(Part {
            name: name.into(),
            passed: 0,
            failed: 0,
            took: Duration::ZERO,
            budget,
            counted: true,
        });
        work(self);
        if self.last().passed == 0 && self.failures.len() == failed {
            self.failed_one(name, "it ran no test at all");
        }
        self.close(begin);
    }

    /// Runs something that must succeed before any test can be run. It counts only when it fails.
    pub fn stage(&mut self, name: &str, budget: Duration, work: impl FnOnce() -> Result<()>) {
        say::line(format!("\n== {name}: budget {} s", budget.as_secs()));
        let begin = Instant::now();
        self.parts.push(Part {
            name: name.into(),
            passed: 0,
            failed: 0,
            took: Duration::ZERO,
            budget,
            counted: false,
        });
        if let Err(error) = work() {
            self.failed_one(name, &format!("{error:#}"));
        }
        self.close(begin);
    }

    /// One test of our own: a claim, and what shows whether it is true.
    pub fn check(&mut self, claim: &str, work: impl FnOnce() -> Result<()>) {
        let begin = Instant::now();
        match work() {
            Ok(()) => {
                say::line(format!("  ok      {claim} ({})", say::seconds(begin.elapsed())));
                let part = self.last();
                part.passed += 1;
                let owner = format!("suite {}", part.name);
                *self.by_owner.entry(owner).or_default() += 1;
            }
            Err(error) => self.failed_one(claim, &format!("{error:#}")),
        }
    }

    /// Adds what a test program of a crate counted.
    pub fn add(&mut self, owner: &str, passed: usize) {
        self.last().passed += passed;
        *self.by_owner.entry(owner.into()).or_default() += passed;
    }

    /// Adds one failure.
    pub fn failed_one(&mut self, claim: &str, why: &str) {
        say::line(format!("  FAILED  {claim}\n          {}", why.replace('\n', "\n          ")));
        let part = self.last();
        part.failed += 1;
        let failure = format!("{}: {claim}", part.name);
        self.failures.push(failure);
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.parts.iter().map(|part| part.passed).sum()
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// How many tests a crate ran, or a suite of our own.
    pub fn tests_of(&self, owner: &str) -> usize {
        self.by_owner.get(owner).copied().unwrap_or_default()
    }

    /// The table of the parts, the failures, and the line that counts.
    pub fn report(&self) -> String {
        let mut rows = vec![["part", "passed", "failed", "took", "budget", ""].map(str::to_owned).to_vec()];
        for part in &self.parts {
            let passed = if part.counted { part.passed.to_string() } else { "-".into() };
            let over = if part.took > part.budget { "over its budget" } else { "" };
            let budget = format!("{} s", part.budget.as_secs());
            rows.push(vec![
                part.name.clone(),
                passed,
                part.failed.to_string(),
                say::seconds(part.took),
                budget,
                over.into(),
            ]);
        }
        let failures: String = self.failures.iter().map(|failure| format!("FAILED {failure}\n")).collect();
        format!("\n{}\n{failures}{} passed, {} failed", say::table(&rows), self.passed(), self.failed())
    }

    fn close(&mut self, begin: Instant) {
        let part = self.last();
        part.took = begin.elapsed();
        let (took, budget) = (say::seconds(part.took), part.budget.as_secs());
        say::line(format!(
            "   {}: {} passed, {} failed in {took} of {budget} s",
            part.name, part.passed, part.failed
        ));
    }

    fn last(&mut self) -> &mut Part {
        self.parts.last_mut().expect("tests are counted within a part")
    }
}
