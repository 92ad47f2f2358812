//! Nothing is forgotten: every crate takes the workspace's lints, every test file is compiled, and CI runs the one command.

use std::collections::BTreeSet;

use xtask::tree::{self, Source};

use crate::metadata::Metadata;
use crate::nothing_found;

fn lints_findings(manifest: &Source) -> Vec<String> {
    let mut lines = manifest.text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    let taken = lines.find(|line| !line.is_empty()) == Some("workspace = true");
    if taken { Vec::new() } else { vec![format!("{} has no `[lints] workspace = true`", manifest.path)] }
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
