//! The cluster suite: three nodes in the lab with real ZooKeeper, libvirt, Ceph and guests; things break, and it is looked at.
//!
//! Each disturbance proves that it bit, and is healed before the next, so that one failure brings no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::lab::daemons::Profile;
use crate::rack::ceph::Storage;
use crate::rack::guests::PATIENCE;
use crate::rack::{Plan, Rack, make};
use crate::test::tally::Tally;
use crate::tree;
use crate::up::Preparation;

mod faults;
mod fences;
mod hypervisor;
mod live;
mod nodes;
mod pools;
mod post_copy;
mod power;
mod primary;
mod stopped;
mod storage;
mod vms;
mod volumes;

/// How long Ceph stands still at least: so long that what waited for it can be told from what a busy machine held up.
const STANDSTILL_MIN: Duration = Duration::from_secs(30);

/// How long the story of the storage may take beside its standstill.
const STORY_BUDGET: Duration = Duration::from_secs(300);

/// Runs the suite.
pub fn run(tally: &mut Tally, xtask: &Path) {
    let folder = tree::target().join("lab-cluster");
    let mut rack = None;
    tally.check("a cluster of three nodes, three ZooKeeper servers and a Ceph comes up", || {
        make::down(&folder)?;
        // The aim is 20 s, and as much for Ceph. Its stages tell what they took, and each has a deadline of its own: a machine
        // that does other things too takes several times as long.
        let usual = Plan::of(3, folder.clone(), Profile::Dev);
        let plan = Plan { preparation: Preparation::Done, storage: Storage::Ceph, ..usual };
        rack = Some(make::up(&plan, xtask)?);
        Ok(())
    });
    if let Some(rack) = rack {
        nodes::checks(&rack, tally);
        primary::checks(&rack, tally);
        vms::checks(&rack, tally);
        live::checks(&rack, tally);
        pools::checks(&rack, tally);
        volumes::checks(&rack, tally, STANDSTILL_MIN);
        post_copy::checks(&rack, tally);
        power::checks(&rack, tally);
        faults::checks(&rack, tally);
        storage::checks(&rack, tally);
        fences::checks(&rack, tally);
    } else {
        tally.failed_one("the other checks on three nodes", "they could not be run");
    }
    tally.check("down leaves no process, namespace, device or mount of three nodes", || {
        make::down(&folder)?;
        crate::command::wait_for("everything to have ended", PATIENCE, || nothing_left(&folder))
    });
    hypervisor::checks(tally, xtask);
}

/// `lab story storage`: on the lab that is up and has a Ceph, the whole of what a guest's volume goes through, with all of
/// Ceph standing still for so long.
pub fn story(rack: &Rack, standstill: Duration, tally: &mut Tally) {
    tally.suite("story storage", STORY_BUDGET + standstill, |tally| {
        pools::checks(rack, tally);
        volumes::checks(rack, tally, standstill);
    });
}

/// Whether no process has to do with a folder any more, by its command line or its mounts.
pub(super) fn nothing_left(folder: &Path) -> Result<()> {
    ensure!(!folder.exists(), "the folder is still there");
    let path = folder.to_str().context("the path is no text")?.to_owned();
    for entry in fs::read_dir("/proc")? {
        let place: PathBuf = entry?.path();
        let words = fs::read(place.join("cmdline")).unwrap_or_default();
        let mounts = fs::read_to_string(place.join("mounts")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(&path) || mounts.contains(&path) {
            bail!("{} still has to do with it", place.display());
        }
    }
    Ok(())
}

/// Disturbs, heals whatever the outcome, and waits until all nodes run again. Nothing may have fallen before.
fn healed(rack: &Rack, disturb: impl FnOnce() -> Result<()>) -> Result<()> {
    let fallen = rack.fallen();
    let outcome = match fallen.is_empty() {
        true => disturb(),
        false => Err(anyhow!("it has ended by itself before: {}", fallen.join("\n"))),
    };
    rack.heal()?;
    for number in rack.numbers() {
        rack.start(number)?;
    }
    let well = crate::command::wait_for("all nodes to run again", PATIENCE, || make::all_run(rack));
    outcome.and(well)
}
