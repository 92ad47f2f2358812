//! `bench storage`: what PVC takes on a real Ceph, beside what Ceph's own commands take for the same, in the same minute:
//! looks, changes, and images that are brought.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bench::handover;
use crate::bench::report::{Aim, Figure, Report, percentile};
use crate::bench::runs::Runs;
use crate::bench::stage::{self, Stage, Wishes};
use crate::command::{output, program, wait_for};
use crate::packages;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{API_PORT, Rack};

pub mod contest;
pub mod image;
pub mod turn;

use contest::{Contest, POOL, still};
use image::Upload;
use turn::{Turn, WAYS};

/// How many times as fast as Ceph's commands looks should be.
const FASTER_TIMES: f64 = 20.0;

/// The least share of the speed of `rbd import` that an upload should have.
const SHARE_PERCENT: f64 = 80.0;

/// How often a look is asked for in one turn.
const ASKS: usize = 11;

/// The kinds of uploads: in which format, and whether through the API of a node whose worker does not take them in.
const UPLOADS: [(&str, &str, Through); 3] = [
    ("raw", "raw", Through::Primary),
    ("raw_elsewhere", "raw", Through::Another),
    ("qcow2", "qcow2", Through::Primary),
];

/// Whose API an upload goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Through {
    Primary,
    Another,
}

/// Takes it and gives the report.
///
/// # Errors
/// When the lab cannot be made; a run that fails counts as infinite, and as not faster at all.
pub fn run(words: &[&str], xtask: &Path) -> Result<Report> {
    let wishes = Wishes::read(words, &["turns", "uploads", "mib", "volumes"])?;
    let (turns, uploads) = (wishes.number("turns", 20), wishes.number("uploads", 5));
    let (mib, volumes) = (wishes.number("mib", 512), wishes.number("volumes", 20));
    packages::install()?;
    let ceph = output(program("ceph").arg("--version"))?;
    let ceph = ceph.split_whitespace().nth(2).unwrap_or_default();
    let on = json!({ "ceph": ceph, "mib": mib, "volumes": volumes });
    let mut wanted = vec![("reads", turns), ("changes", turns)];
    wanted.extend(UPLOADS.map(|(kind, ..)| (kind, uploads)));
    let mut stage = Stage::resume("storage", wishes.profile, &on, xtask)?.on_ceph();
    stage.play(&wanted, |rack, runs| measure(&Ground::make(rack, volumes)?, runs, &wanted, mib))?;
    let figures = figures(&stage.runs);
    stage.report(figures)
}

fn measure(ground: &Ground<'_>, runs: &mut Runs, wanted: &[(&str, usize)], mib: usize) -> Result<()> {
    let turn = Cell::new(0);
    let next = || {
        turn.set(turn.get() + 1);
        ground.tidy()
    };
    for (kind, count) in wanted {
        let run = || match UPLOADS.iter().find(|(upload, ..)| upload == kind) {
            Some((_, format, through)) => ground.upload(format, *through, mib, turn.get()),
            None if *kind == "reads" => ground.reads(turn.get()),
            None => ground.changes(turn.get()),
        };
        runs.fill((kind, *count), run, next)?;
    }
    Ok(())
}

/// A lab with a Ceph, and a pool in it.
#[derive(Debug)]
pub struct Ground<'a> {
    rack: &'a Rack,
    primary: u8,
}

impl<'a> Ground<'a> {
    /// Makes the pool with so many volumes that stay, of which the first has three snapshots.
    ///
    /// # Errors
    /// What is refused, or not measured within four minutes.
    pub fn make(rack: &'a Rack, volumes: usize) -> Result<Self> {
        let primary = wait_for("a primary", PATIENCE, || handover::primary(rack, 1))?;
        let pvc = |words: &[&str]| rack.pvc(primary, &[&["storage"], words].concat());
        pvc(&["pool", "add", POOL, "16", "--replcfg", "copies=3,mincopies=2"])?;
        for number in 0..volumes {
            // How much room there is is known once the pool was measured.
            wait_for("the pool to be measured", PATIENCE, || {
                pvc(&["volume", "add", POOL, &still(&number.to_string()), "64M"]).map(drop)
            })?;
        }
        for snapshot in ["one", "two", "three"] {
            pvc(&["volume", "snapshot", "add", POOL, &still("0"), snapshot])?;
        }
        Ok(Self { rack, primary })
    }

    /// Every look once in each way.
    ///
    /// # Errors
    /// What is refused.
    pub fn reads(&self, turn: usize) -> Result<Value> {
        self.take(turn, ASKS, contest::reads())
    }

    /// Every change once in each way.
    ///
    /// # Errors
    /// What is refused.
    pub fn changes(&self, turn: usize) -> Result<Value> {
        self.take(turn, 1, contest::changes())
    }

    fn take(&self, turn: usize, asks: usize, contests: Vec<Contest>) -> Result<Value> {
        let load = stage::load()?;
        let pvc = self.rack.profile().folder().join("pvc").display().to_string();
        let address = format!("{}:{API_PORT}", Network::Upstream.address(self.primary));
        let turn = Turn { address, token: self.rack.token().into(), pvc, first: turn, asks, contests };
        let mut command = self.rack.node(self.primary)?.inside(&self.rack.xtask);
        let told = output(command.args(["storage-turn", &serde_json::to_string(&turn)?]))?;
        let mut told: Value = serde_json::from_str(&told)?;
        told["load"] = load.into();
        Ok(told)
    }

    fn upload(&self, format: &'static str, through: Through, mib: usize, turn: usize) -> Result<Value> {
        let primary = self.primary;
        let at = match through {
            Through::Primary => primary,
            Through::Another => primary % self.rack.numbers().end() + 1,
        };
        image::once(self.rack, Upload { format, at, primary, mib }, turn)
    }

    /// All of it once, with small images: every figure that is expected is there.
    ///
    /// # Errors
    /// What is refused, or lacks.
    pub fn once(&self, mib: usize) -> Result<()> {
        let mut runs = vec![self.reads(0)?, self.changes(0)?];
        for (_, format, through) in UPLOADS {
            runs.push(self.upload(format, through, mib, 0)?);
        }
        let told = |name: &str| runs.iter().any(|run| run[name].as_f64().is_some_and(|value| value > 0.0));
        for contest in [contest::reads(), contest::changes()].concat() {
            for way in WAYS {
                let name = format!("{}_{way}_ms", contest.name);
                ensure!(told(&name), "there is no {name}");
            }
        }
        ensure!(told("share_percent"), "the uploads tell no share");
        wait_for("nothing to be left", PATIENCE, || {
            ensure!(self.left()?.is_empty(), "there is left {:?}", self.left()?);
            Ok(())
        })?;
        self.clear()
    }

    /// The images that do not stay, clones before what they are clones of.
    fn left(&self) -> Result<Vec<String>> {
        let told = output(self.rack.node(self.primary)?.inside("rbd").args(["ls", POOL]))?;
        let stays = |name: &str| name.starts_with(&still("")) || name.is_empty();
        let mut left: Vec<String> = told.lines().filter(|name| !stays(name)).map(str::to_owned).collect();
        left.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
        Ok(left)
    }

    /// Removes what a run that failed has left: what PVC knows by PVC, the rest by Ceph's own command.
    fn tidy(&self) -> Result<()> {
        for name in self.left()? {
            if self.rack.pvc(self.primary, &["storage", "volume", "remove", "-y", POOL, &name]).is_err() {
                let node = self.rack.node(self.primary)?;
                for words in [&["snap", "purge", "--no-progress"][..], &["rm", "--no-progress"]] {
                    output(node.inside("rbd").args(words).arg(format!("{POOL}/{name}")))?;
                }
            }
        }
        Ok(())
    }

    /// Removes the pool.
    ///
    /// # Errors
    /// What is refused.
    pub fn clear(&self) -> Result<()> {
        image::forget(self.rack)?;
        self.rack.pvc(self.primary, &["storage", "pool", "remove", "-y", POOL]).map(drop)
    }
}

/// What each operation took at the median, and how many times as fast as Ceph's command ours was at the median of turns.
fn figures(runs: &Runs) -> Vec<Figure> {
    let median = |kind: &str, name: &str| percentile(&runs.values(kind, name), 0.5);
    let mut figures = Vec::new();
    for (kind, contests, aim) in
        [("reads", contest::reads(), Aim::AtLeast(FASTER_TIMES)), ("changes", contest::changes(), Aim::None)]
    {
        for Contest { name, .. } in contests {
            for way in WAYS {
                let name = format!("{name}_{way}_ms");
                figures.push(Figure::of(format!("{name}_p50"), median(kind, &name), Aim::None));
            }
            for way in &WAYS[..2] {
                let times = times(runs, kind, &name, way);
                figures.push(Figure::of(format!("{name}_{way}_times_p50"), percentile(&times, 0.5), aim));
            }
        }
        figures.push(Figure::of(format!("{kind}_load_p50"), median(kind, "load"), Aim::None));
    }
    for (kind, format, _) in UPLOADS {
        let aim = if format == "raw" { Aim::AtLeast(SHARE_PERCENT) } else { Aim::None };
        for way in ["by_pvc", "by_ceph"] {
            for unit in ["mib_per_s", "processor_ms"] {
                let name = format!("{way}_{unit}");
                let value = finite_or_zero(median(kind, &name));
                figures.push(Figure::of(format!("upload_{kind}_{name}_p50"), value, Aim::None));
            }
        }
        let share = finite_or_zero(median(kind, "share_percent"));
        figures.push(Figure::of(format!("upload_{kind}_share_percent_p50"), share, aim));
        figures.push(Figure::of(format!("upload_{kind}_load_p50"), median(kind, "load"), Aim::None));
    }
    figures
}

/// How many times as fast ours was in each turn; not at all in one that failed.
fn times(runs: &Runs, kind: &str, name: &str, way: &str) -> Vec<f64> {
    let [ours, theirs] = [way, "by_ceph"].map(|way| runs.values(kind, &format!("{name}_{way}_ms")));
    let times = |(ours, theirs): (f64, f64)| if ours.is_finite() { theirs / ours } else { 0.0 };
    ours.into_iter().zip(theirs).map(times).collect()
}

/// A speed that a failed run did not have.
fn finite_or_zero(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

#[cfg(test)]
mod tests;
