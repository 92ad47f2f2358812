//! What the commands print: stages with their seconds, and lines.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Prints one line. A closed pipe is nobody's fault and ends nothing.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{}", text.as_ref());
    let _closed = out.flush();
}

/// Prints one line on the error output.
pub fn complaint(text: impl AsRef<str>) {
    let _closed = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// The stages of one command, numbered and timed as they go by.
#[derive(Debug)]
pub struct Stages {
    total: usize,
    number: usize,
}

impl Stages {
    /// Stages of which there will be `total`.
    pub fn new(total: usize) -> Self {
        Self { total, number: 0 }
    }

    /// Runs the next stage. What it returns is one short note for its last line.
    ///
    /// # Errors
    /// Whatever the stage failed with, under the stage's title.
    pub fn stage<T: Note>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.number += 1;
        line(format!("[{}/{}] {title}", self.number, self.total));
        let begin = Instant::now();
        match work() {
            Ok(done) => {
                let note = done.note();
                let comma = if note.is_empty() { "" } else { ", " };
                line(format!("      done in {}{comma}{note}", seconds(begin.elapsed())));
                Ok(done)
            }
            Err(error) => {
                line(format!("      FAILED after {}", seconds(begin.elapsed())));
                Err(error.context(format!("stage \"{title}\" failed")))
            }
        }
    }
}

/// A result that can tell in a few words what was done.
pub trait Note {
    /// The few words; empty when there is nothing to tell.
    fn note(&self) -> String {
        String::new()
    }
}

impl Note for () {}

impl Note for String {
    fn note(&self) -> String {
        self.clone()
    }
}

/// A duration as people read it.
pub fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

/// Columns padded to their widest cell, the first row above a rule.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>();
            text.push_str(&rule.join("  "));
            text.push('\n');
        }
    }
    text
}
