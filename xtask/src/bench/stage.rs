//! The lab that a measurement is taken on, made for it and taken down after it; and what its commands may be told.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::bench::report::{Figure, Report};
use crate::bench::runs::Runs;
use crate::command::{output, program};
use crate::lab::daemons::Profile;
use crate::rack::ceph::Storage;
use crate::rack::{Plan, Rack, make};
use crate::{packages, say, tree};

/// What is told behind a measurement's name: pairs of a name and a number, and how the programs are built.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    words: &'a [&'a str],
    /// How the programs are built.
    pub profile: Profile,
}

impl<'a> Wishes<'a> {
    /// Reads them. `known` are the names that may be told, without their dashes.
    ///
    /// # Errors
    /// What is not known.
    pub fn read(words: &'a [&'a str], known: &[&str]) -> Result<Self> {
        let mut profile = Profile::Release;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match word.strip_prefix("--") {
                Some("dev") => profile = Profile::Dev,
                Some(name) if known.contains(&name) => {
                    let value = rest.next().with_context(|| format!("{word} needs a number"))?;
                    value.parse::<usize>().with_context(|| format!("{word} needs a number, not {value}"))?;
                }
                _ => bail!("{word} is not known; there are --dev, --{}", known.join(", --")),
            }
        }
        Ok(Self { words, profile })
    }

    /// The number of that name, or what is usual.
    pub fn number(&self, name: &str, usual: usize) -> usize {
        let named = |word: &&str| word.strip_prefix("--") == Some(name);
        let at = self.words.iter().position(named);
        at.and_then(|at| self.words.get(at + 1)?.parse().ok()).unwrap_or(usual)
    }
}

/// A measurement on three nodes. One that was broken off goes on after its last run.
#[derive(Debug)]
pub struct Stage<'a> {
    name: &'static str,
    profile: Profile,
    xtask: &'a Path,
    on: Value,
    storage: Storage,
    /// The runs so far.
    pub runs: Runs,
}

impl<'a> Stage<'a> {
    /// Begins a measurement, or goes on with it where it was begun on the same. `more` is what it is taken on besides what
    /// all are: an object.
    ///
    /// # Errors
    /// When git does not answer, or the folder of the runs cannot be written.
    pub fn resume(name: &'static str, profile: Profile, more: &Value, xtask: &'a Path) -> Result<Self> {
        let mut on = on(profile)?;
        for (key, value) in more.as_object().into_iter().flatten() {
            on[key] = value.clone();
        }
        let runs = Runs::resume(&tree::target().join("bench"), name, &on)?;
        Ok(Self { name, profile, xtask, on, storage: Storage::None, runs })
    }

    /// The nodes have a Ceph.
    #[must_use]
    pub fn on_ceph(self) -> Self {
        Self { storage: Storage::Ceph, ..self }
    }

    /// Makes three nodes, has what is lacking of the wanted runs measured there, and takes the nodes down, whatever came
    /// out. Where nothing is lacking none are made.
    ///
    /// # Errors
    /// When they cannot be made or taken down, or the measurement cannot go on.
    pub fn play(
        &mut self,
        wanted: &[(&str, usize)],
        measure: impl FnOnce(&Rack, &mut Runs) -> Result<()>,
    ) -> Result<()> {
        if wanted.iter().all(|(kind, count)| self.runs.count(kind) >= *count) {
            return Ok(());
        }
        let folder: PathBuf = tree::target().join(format!("lab-bench-{}", self.name));
        make::down(&folder)?;
        packages::install()?;
        self.profile.build()?;
        let usual = Plan::of(3, folder.clone(), self.profile);
        let up = make::up(&Plan { storage: self.storage, ..usual }, self.xtask);
        let measured = up.and_then(|rack| measure(&rack, &mut self.runs));
        let down = make::down(&folder);
        measured?;
        down.map(drop)
    }

    /// The report with these figures. The next measurement begins anew.
    ///
    /// # Errors
    /// When the runs cannot be put aside.
    pub fn report(mut self, figures: Vec<Figure>) -> Result<Report> {
        self.on["load"] = load()?.into();
        let runs = self.runs.total();
        self.runs.finish()?;
        Ok(Report { bench: self.name, on: self.on, runs, figures })
    }
}

/// On what a measurement is taken: what stays the same when it is broken off and goes on.
///
/// # Errors
/// When git does not answer.
fn on(profile: Profile) -> Result<Value> {
    let commit = output(program("git").current_dir(tree::root()).args(["rev-parse", "--short", "HEAD"]))?;
    Ok(json!({
        "nodes": 3,
        "store": "three zookeepers",
        "guests": "emulated",
        "profile": if profile == Profile::Release { "release" } else { "dev" },
        "commit": commit.trim(),
        "cores": std::thread::available_parallelism()?.get(),
    }))
}

/// The load of this machine over the last minute.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("the load has a first word")?.parse()?)
}

/// Starts so many guests, in turn on each of the nodes, and waits until all of them count.
///
/// # Errors
/// When one does not.
pub fn populate(rack: &Rack, nodes: &[u8], guests: usize) -> Result<()> {
    for index in 0..guests {
        let (vm, number) = (format!("idle{index}"), nodes[index % nodes.len()]);
        let uuid = format!("3c7f8a52-0b7d-4f0e-8a86-5b1f4f6d{index:04x}");
        rack.start_guest(&vm, &uuid, number, &[])?;
        // One after the other: emulated guests that boot all at once starve each other.
        rack.counts_on(&vm, number)?;
        say::line(format!("      {vm} counts on pvc{number}"));
    }
    Ok(())
}
