//! Mutations: each is a patch that takes one guard away, tried out on a copy of the sources.
//!
//! A patch begins with a sentence that says which guard it takes away. The swarm has to notice it, unless a line of the
//! patch's head says that the scenarios or the tables of a crate do. A patch that does not apply or does not compile is an
//! error of the patch.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{capture, output, program, tail};
use crate::tree;

/// A patch with its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// What it takes away, as its first line says.
    pub what: String,
    /// Who has to notice it.
    pub witness: Witness,
    /// The files it changes, from the root of the repository.
    pub changes: Vec<String>,
    /// Its text.
    text: String,
}

/// Who notices that a guard is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Witness {
    /// The swarm, in so many seeds as it is given.
    Swarm,
    /// The recorded scenarios: patches say `Noticed by the scenarios.`
    Scenarios,
    /// The unit tests of a crate: patches say `Noticed by the tables of CRATE.`
    Tables(String),
}

impl Witness {
    /// The one that a patch's head names.
    fn parse(head: &str) -> Result<Self> {
        let mut named =
            head.lines().filter_map(|line| line.strip_prefix("Noticed by the ")?.strip_suffix('.'));
        let Some(name) = named.next() else { return Ok(Self::Swarm) };
        match (name, name.strip_prefix("tables of ")) {
            ("scenarios", _) => Ok(Self::Scenarios),
            (_, Some(owner)) => Ok(Self::Tables(owner.trim_matches('`').into())),
            _ => bail!("it is noticed by the swarm, by the scenarios, or by the tables of a crate"),
        }
    }
}

impl Mutation {
    /// Reads a patch.
    ///
    /// # Errors
    /// When it does not begin with a sentence or changes nothing.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".patch"));
        let name = name.with_context(|| format!("{path} does not end with .patch"))?;
        let what = text.lines().next().unwrap_or_default();
        if !what.ends_with('.') || what.split_whitespace().count() < 3 {
            bail!("its first line must be a sentence that says which guard it takes away");
        }
        let changes: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("+++ b/"))
            .map(|rest| rest.split('\t').next().unwrap_or_default().to_owned())
            .collect();
        if changes.is_empty() {
            bail!("it changes nothing");
        }
        let witness = Witness::parse(text.split("\n--- ").next().unwrap_or_default())?;
        Ok(Self { name: name.into(), what: what.into(), witness, changes, text: text.into() })
    }

    /// What is wrong with it: it must change product code that is there.
    pub fn findings(&self, exists: impl Fn(&str) -> bool) -> Vec<String> {
        let product = |path: &str| {
            let area = path.split('/').next().unwrap_or_default();
            ["logic", "agent", "store", "host"].contains(&area) && !path.contains("tests")
        };
        let wrong = self.changes.iter().filter(|path| !exists(path) || !product(path));
        wrong.map(|path| format!("{}: {path} is no product code that is there", self.name)).collect()
    }
}

/// All mutations of the repository, by name.
///
/// # Errors
/// When one cannot be read.
pub fn all() -> Result<Vec<Mutation>> {
    let folder = tree::root().join("sim/mutations");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let path = path.to_str().context("a patch's name is text")?;
        found.push(Mutation::parse(path, &text).with_context(|| path.to_owned())?);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// A copy of the sources with a target folder of its own, so that nobody's build is disturbed.
#[derive(Debug)]
pub struct Workbench {
    tree: PathBuf,
    target: PathBuf,
}

impl Workbench {
    /// The copy in this folder, brought up to date. What did not change keeps its time, so that it is not built again.
    ///
    /// # Errors
    /// When files cannot be copied.
    pub fn ensure(folder: &Path) -> Result<Self> {
        let bench = Self { tree: folder.join("tree"), target: folder.join("target") };
        let paths = tree::present()?;
        for path in &paths {
            let bytes = fs::read(tree::root().join(path))?;
            bench.write(path, &bytes)?;
        }
        Ok(bench)
    }

    /// Builds the simulator.
    fn build(&self) -> Result<()> {
        let mut cargo = program("cargo");
        cargo.args(["build", "--quiet", "--release", "-p", "sim", "--bin", "sim"]);
        output(self.cargo(&mut cargo)).map(drop)
    }

    /// Asks who has to notice; what they said is the answer when they failed. The swarm has so many seeds.
    ///
    /// # Errors
    /// When they cannot be asked: their program does not compile, or cannot be started.
    pub fn ask(&self, witness: &Witness, seeds: u32) -> Result<Option<String>> {
        let mut asked = match witness {
            Witness::Swarm | Witness::Scenarios => {
                self.build()?;
                program(self.target.join("release/sim"))
            }
            Witness::Tables(owner) => {
                self.build_tables(owner)?;
                program("cargo")
            }
        };
        match witness {
            Witness::Swarm => asked.args(["swarm", "--seeds", &seeds.to_string()]),
            Witness::Scenarios => asked.arg("scenarios"),
            Witness::Tables(owner) => asked.args(["test", "--quiet", "--lib", "-p", owner]),
        };
        let ended = capture(self.cargo(&mut asked))?;
        let said = [ended.stdout, ended.stderr].concat();
        let failed = !ended.status.success();
        Ok(failed.then(|| tail(&String::from_utf8_lossy(&said), 60)))
    }

    fn build_tables(&self, owner: &str) -> Result<()> {
        let mut cargo = program("cargo");
        cargo.args(["test", "--quiet", "--no-run", "--lib", "-p", owner]);
        output(self.cargo(&mut cargo)).map(drop)
    }

    /// Does something with the copy while the mutation is in it.
    ///
    /// # Errors
    /// When the patch does not apply or does not compile; and what `work` fails with.
    pub fn with<T>(&self, mutation: &Mutation, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let file = self.target.join("mutation.patch");
        fs::write(&file, &mutation.text)?;
        let before: Vec<Vec<u8>> =
            mutation.changes.iter().map(|path| fs::read(self.tree.join(path))).collect::<Result<_, _>>()?;
        let mut git = program("git");
        git.args(["apply", "--whitespace=nowarn"]).arg(&file).current_dir(&self.tree);
        // Without this, git would take the copy for a part of the repository around it, and apply nothing.
        git.env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree));
        let applied = output(&mut git).with_context(|| format!("{} does not apply", mutation.name));
        let outcome = applied.and_then(|_| {
            for (path, old) in mutation.changes.iter().zip(&before) {
                if fs::read(self.tree.join(path))? == *old {
                    bail!("{} left {path} as it was", mutation.name);
                }
            }
            work(self).with_context(|| format!("{} does not compile", mutation.name))
        });
        for (path, old) in mutation.changes.iter().zip(&before) {
            self.write(path, old)?;
        }
        outcome
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let place = self.tree.join(path);
        if fs::read(&place).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        let folder = place.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&place, bytes).with_context(|| format!("cannot write {}", place.display()))
    }

    /// Optimised a little: what matters is build and run together.
    fn cargo<'a>(&self, cargo: &'a mut std::process::Command) -> &'a mut std::process::Command {
        cargo.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).envs([
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_STRIP", "none"),
            ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
        ])
    }
}

/// The line of the swarm's words that tells what was broken.
pub fn verdict(said: &str) -> String {
    let telling = |line: &&str| {
        let words = ["NOT as expected", "panicked at", " failed: ", "does not apply", "error"];
        words.iter().any(|word| line.contains(word))
    };
    let line = said.lines().find(telling).or_else(|| said.lines().last()).unwrap_or_default();
    line.trim().chars().take(100).collect()
}

#[cfg(test)]
mod tests;
