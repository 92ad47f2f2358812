//! Files: the first line says what a file is for, and nothing strays into the repository.

use xtask::tree::{self, Source};

use crate::{nothing_found, nothing_found_in_rust};

/// All that may lie at the root.
const AT_ROOT: [&str; 30] = [
    ".cargo",
    ".ci",
    ".gitignore",
    ".github",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "STYLE.md",
    "agent",
    "api",
    "apid",
    "cli",
    "clippy.toml",
    "debian",
    "deny.toml",
    "docs",
    "host",
    "link",
    "logic",
    "packaging",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sim",
    "store",
    "units",
    "xtask",
];

/// Endings of files that a tool or an editor left behind.
const STRAY: [&str; 12] =
    [".orig", ".rej", ".bak", ".swp", ".tmp", "~", ".log", ".pyc", ".db", ".deb", ".profraw", ".DS_Store"];

/// Names that are spelled with a small letter even where a sentence begins.
const NAMES: [&str; 2] = ["libvirt", "systemd"];

const BYTES_MAX: usize = 1_500_000;

/// The first paragraph of a file's `//!` is a sentence: a capital or a name first, several words, a full stop.
fn opening(source: &Source) -> Vec<String> {
    let paragraph: Vec<&str> = source
        .text
        .lines()
        .map_while(|line| line.strip_prefix("//! "))
        .take_while(|line| !line.is_empty())
        .collect();
    let text = paragraph.join(" ");
    let begins = text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '`')
        || NAMES.iter().any(|name| text.starts_with(name));
    let is_sentence =
        begins && text.split_whitespace().count() >= 3 && text.trim_end().ends_with(['.', '!', '?']);
    if is_sentence {
        Vec::new()
    } else {
        vec![format!("{} does not begin with `//!` and a full sentence", source.path)]
    }
}

fn stray(path: &str) -> Option<String> {
    let first = path.split('/').next().unwrap_or_default();
    let recorded = path.starts_with("sim/scenarios/") && path.ends_with("/expected.log");
    if !AT_ROOT.contains(&first) {
        Some(format!("{path} does not belong at the root"))
    } else if STRAY.iter().any(|ending| path.ends_with(ending)) && !recorded {
        Some(format!("{path} was left behind by some program"))
    } else if path.ends_with("/mod.rs") {
        Some(format!("{path}: a module x is x.rs with a folder x beside it"))
    } else {
        None
    }
}

#[test]
fn every_source_file_begins_with_a_sentence() {
    nothing_found_in_rust(opening);
}

#[test]
fn nothing_strays_into_the_repository() {
    let paths = tree::tracked().unwrap();
    nothing_found(&paths.iter().filter_map(|path| stray(path)).collect::<Vec<_>>());
}

#[test]
fn no_tracked_file_is_large() {
    let large = tree::tracked().unwrap().into_iter().filter(|path| {
        let size = std::fs::metadata(tree::root().join(path)).map_or(0, |file| file.len());
        size > BYTES_MAX as u64
    });
    nothing_found(&large.collect::<Vec<_>>());
}

#[test]
fn a_file_without_a_sentence_is_found() {
    let count = |text: &str| opening(&Source::made_up("a/src/x.rs", text)).len();
    assert_eq!(count("//! Decides what one VM needs.\n"), 0);
    assert_eq!(count("//! Decides what one VM needs,\n//! and when.\n//!\n//! more\n"), 0);
    assert_eq!(count("//! `Plan`: what must be done now.\n"), 0);
    assert_eq!(count("//! Decides what one VM needs\n"), 1);
    assert_eq!(count("//! decides what one VM needs.\n"), 1);
    assert_eq!(count("//! Decides.\n"), 1);
    assert_eq!(count("use a;\n"), 1);
    assert_eq!(count(""), 1);
}

#[test]
fn stray_files_are_found() {
    assert!(stray("notes.txt").is_some());
    assert!(stray("store/src/lib.rs.orig").is_some());
    assert!(stray("store/src/key/mod.rs").is_some());
    assert!(stray("sim/out.log").is_some());
    assert!(stray("sim/scenarios/a-vm-starts/expected.log").is_none());
    assert!(stray("store/src/lib.rs").is_none());
}
