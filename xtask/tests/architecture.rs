//! The walls of the architecture: each is a test, and each checker is itself tested on a small bad input.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "architecture/closure.rs"]
mod closure;
#[path = "architecture/doors.rs"]
mod doors;
#[path = "architecture/edges.rs"]
mod edges;
#[path = "architecture/metadata.rs"]
mod metadata;
#[path = "architecture/rehearsed.rs"]
mod rehearsed;
#[path = "architecture/scenarios.rs"]
mod scenarios;
#[path = "architecture/workspace.rs"]
mod workspace;

/// Fails with every finding on a line of its own.
#[track_caller]
fn nothing_found(findings: &[String]) {
    assert!(findings.is_empty(), "{} finding(s):\n  {}", findings.len(), findings.join("\n  "));
}
