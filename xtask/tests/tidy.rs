//! The rules of style that a program can check; each checker is itself tested on a small bad input.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/marks.rs"]
mod marks;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/order.rs"]
mod order;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/text.rs"]
mod text;

/// Fails with every finding on a line of its own.
#[track_caller]
fn nothing_found(findings: &[String]) {
    assert!(findings.is_empty(), "{} finding(s):\n  {}", findings.len(), findings.join("\n  "));
}

/// Applies one checker to every tracked Rust file.
#[track_caller]
fn nothing_found_in_rust(check: impl Fn(&xtask::tree::Source) -> Vec<String>) {
    let sources = xtask::tree::rust().unwrap();
    assert!(sources.len() > 20, "the Rust files were not found");
    nothing_found(&sources.iter().flat_map(check).collect::<Vec<_>>());
}
