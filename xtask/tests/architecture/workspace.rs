//! Nothing is forgotten: every crate takes the workspace's lints, every test file is compiled, and CI runs the one command.

use std::collections::BTreeSet;

use xtask::tree::{self, Source};

use crate::metadata::{Dependency, Member, Metadata};
use crate::nothing_found;

fn lints_findings(manifest: &Source) -> Vec<String> {
    let mut lines = manifest.text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    let taken = lines.find(|line| !line.is_empty()) == Some("workspace = true");
    if taken { Vec::new() } else { vec![format!("{} has no `[lints] workspace = true`", manifest.path)] }
}

/// The lints that stand for rules; the workspace must ask for each.
const LINTS: [&str; 18] = [
    "unsafe_code",
    "missing_docs",
    "unreachable_pub",
    "missing_debug_implementations",
    "all",
    "too_many_lines",
    "unwrap_used",
    "dbg_macro",
    "todo",
    "unimplemented",
    "print_stdout",
    "cast_possible_truncation",
    "cast_lossless",
    "undocumented_unsafe_blocks",
    "manual_let_else",
    "uninlined_format_args",
    "allow_attributes_without_reason",
    "print_stderr",
];

fn missing_lints(manifest: &str) -> Vec<String> {
    let asked = |lint: &str| {
        let mut lines = manifest.lines().skip_while(|line| !line.starts_with("[workspace.lints."));
        lines.any(|line| line.starts_with(&format!("{lint} = ")) && !line.contains("allow\""))
    };
    LINTS
        .iter()
        .filter(|lint| !asked(lint))
        .map(|lint| format!("the workspace does not ask for {lint}"))
        .collect()
}

/// Crates that give typed errors to others; an untyped one is for those who only report it.
const TYPED: [&str; 5] = ["logic", "store", "host", "link", "api"];

/// What must not be in the lock file, whoever brings it.
const BANNED: [&str; 4] = ["openssl", "openssl-sys", "native-tls", "serde_yaml"];

fn untyped_errors(members: &[Member]) -> Vec<String> {
    let typed = members.iter().filter(|member| TYPED.contains(&member.name.as_str()));
    let untyped = typed.filter(|member| member.dependencies.iter().any(|d| d.name == "anyhow" && !d.is_dev));
    untyped.map(|member| format!("{} must not use anyhow", member.name)).collect()
}

fn banned(lock: &str) -> Vec<String> {
    let held = |name: &&&str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    BANNED.iter().filter(held).map(|name| format!("Cargo.lock holds {name}")).collect()
}

/// The files directly in a crate's `tests` folder that no target compiles, and below `src` those that no module names.
fn forgotten(paths: &[String], targets: &BTreeSet<String>) -> Vec<String> {
    let is_suite = |path: &&String| {
        let parts: Vec<&str> = path.split('/').collect();
        parts.len() == 3 && parts[1] == "tests" && parts[2].ends_with(".rs")
    };
    let lost = paths.iter().filter(is_suite).filter(|path| !targets.contains(*path));
    lost.map(|path| format!("{path} is compiled by nobody")).collect()
}

/// Rust files in `src` or deeper in `tests` whose module no other file of the crate declares.
fn undeclared(sources: &[Source], targets: &BTreeSet<String>) -> Vec<String> {
    let declares = |area: &str, module: &str| {
        let mentions = [format!("mod {module};"), format!("/{module}.rs\"")];
        let rust = sources.iter().filter(|s| s.is_rust() && s.area() == area);
        rust.flat_map(|s| s.text.lines()).any(|line| {
            mentions.iter().any(|m| line.contains(m.as_str())) && !line.trim_start().starts_with("//")
        })
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust() && !targets.contains(&s.path)) {
        let module = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if !declares(source.area(), module) {
            findings.push(format!("{} is no module of its crate", source.path));
        }
    }
    findings
}

fn targets() -> BTreeSet<String> {
    Metadata::of_ours().members.into_iter().flat_map(|member| member.targets).collect()
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    let sources = tree::sources().unwrap();
    let manifests = sources.iter().filter(|s| s.path.ends_with("/Cargo.toml"));
    nothing_found(&manifests.flat_map(lints_findings).collect::<Vec<_>>());
}

#[test]
fn the_workspace_asks_for_every_lint() {
    nothing_found(&missing_lints(&tree::read("Cargo.toml").unwrap()));
}

#[test]
fn libraries_have_errors_of_their_own() {
    nothing_found(&untyped_errors(&Metadata::of_ours().members));
}

#[test]
fn no_banned_crate_is_locked() {
    nothing_found(&banned(&tree::read("Cargo.lock").unwrap()));
}

#[test]
fn a_missing_lint_an_untyped_error_and_a_banned_crate_are_found() {
    assert_eq!(missing_lints("[workspace.lints.rust]\nmissing_docs = \"warn\"\n").len(), LINTS.len() - 1);
    assert_eq!(missing_lints("missing_docs = \"warn\"\n").len(), LINTS.len());
    let dependency = Dependency { name: "anyhow".into(), is_dev: false };
    let member = |name: &str| Member {
        name: name.into(),
        dependencies: vec![dependency.clone()],
        targets: Vec::new(),
    };
    assert_eq!(untyped_errors(&[member("store"), member("xtask")]), ["store must not use anyhow"]);
    assert_eq!(banned("name = \"openssl\"\nname = \"openssl-probe\"\n"), ["Cargo.lock holds openssl"]);
}

#[test]
fn every_test_file_and_every_module_is_compiled() {
    let targets = targets();
    nothing_found(&forgotten(&tree::tracked().unwrap(), &targets));
    nothing_found(&undeclared(&tree::rust().unwrap(), &targets));
}

#[test]
fn ci_runs_the_test_command_of_the_readme_and_nothing_else() {
    let script = tree::read(".ci/run").unwrap();
    let commands: Vec<&str> =
        script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(commands, ["set -eu", "cd \"$(dirname \"$0\")/..\"", "exec cargo xtask test"]);
    assert!(
        tree::read("README.md").unwrap().contains("cargo xtask test"),
        "README.md does not show the command"
    );
}

#[test]
fn a_crate_without_lints_is_found() {
    assert_eq!(
        lints_findings(&Source::made_up("a/Cargo.toml", "[lints]\nworkspace = true\n")),
        Vec::<String>::new()
    );
    assert_eq!(lints_findings(&Source::made_up("a/Cargo.toml", "[lints]\n[dependencies]\n")).len(), 1);
    assert_eq!(lints_findings(&Source::made_up("a/Cargo.toml", "[dependencies]\n")).len(), 1);
}

#[test]
fn a_forgotten_test_file_and_a_forgotten_module_are_found() {
    let compiled = BTreeSet::from(["a/tests/one.rs".to_owned(), "a/src/lib.rs".to_owned()]);
    let paths = ["a/tests/one.rs", "a/tests/two.rs", "a/tests/data/three.rs"].map(str::to_owned);
    assert_eq!(forgotten(&paths, &compiled), ["a/tests/two.rs is compiled by nobody"]);
    let sources = [
        Source::made_up("a/src/lib.rs", "pub mod x;\n// mod y;\n"),
        Source::made_up("a/src/x.rs", ""),
        Source::made_up("a/src/y.rs", ""),
    ];
    assert_eq!(undeclared(&sources, &compiled), ["a/src/y.rs is no module of its crate"]);
}
