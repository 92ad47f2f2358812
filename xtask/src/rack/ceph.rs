//! Ceph in the lab: a monitor and a manager on the first nodes, and an OSD on every node, on the storage network.
//!
//! Nothing of a machine is needed for it but files: each OSD keeps its blocks in one of the node's folder. A node's Ceph
//! ends with the node, and comes back with it from what its disk holds.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::command::{LAB_LIMIT, output, wait_for};
use crate::lab::daemons;
use crate::lab::node::Node;
use crate::rack::network::Network;
use crate::rack::{Rack, name};

pub mod lay;

/// How long a node may wait for its address on the storage network, which PVC gives it.
const ADDRESS_LIMIT: Duration = Duration::from_secs(120);

/// How long Ceph may take until its OSDs are up; all machines share a few processors.
const READY_LIMIT: Duration = Duration::from_secs(240);

/// Where the volumes of a lab are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: the nodes have none.
    None,
    /// In a Ceph on the nodes.
    Ceph,
}

/// One of Ceph's daemons that a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// Keeps the map, with the others of its kind.
    Monitor,
    /// Gathers the figures.
    Manager,
    /// Keeps the blocks: the OSD of this number.
    Osd(u32),
}

impl Daemon {
    /// The name under which it is stopped and stalled by hand: `mon`, `mgr`, or `osd` and its number.
    pub fn name(self) -> String {
        match self {
            Self::Monitor => "mon".into(),
            Self::Manager => "mgr".into(),
            Self::Osd(id) => format!("osd.{id}"),
        }
    }

    /// The name under which a node starts it; PVC finds its OSDs' process ids by it.
    fn program(self) -> String {
        format!("ceph/{}", self.name())
    }

    fn words(self, number: u8) -> Vec<String> {
        let (program, id) = match self {
            Self::Monitor => ("ceph-mon", name(number)),
            Self::Manager => ("ceph-mgr", name(number)),
            Self::Osd(id) => ("ceph-osd", id.to_string()),
        };
        // `-f`: it stays in the foreground, so that its process id is the one that is known.
        [program, "-f", "--id", &id].map(str::to_owned).to_vec()
    }
}

/// The OSD that a lab begins with on a node.
pub fn first_osd(number: u8) -> u32 {
    u32::from(number) - 1
}

/// What `pvc.toml` says of the storage.
pub(super) fn settings(storage: Storage) -> String {
    match storage {
        Storage::None => String::new(),
        Storage::Ceph => {
            "\n[storage.ceph]\nconfig = \"/etc/ceph/ceph.conf\"\nuser = \"client.admin\"\n".into()
        }
    }
}

impl Rack {
    /// Whether it has a Ceph.
    pub fn has_ceph(&self) -> bool {
        self.memory.fsid.is_some()
    }

    /// The numbers of the machines with a monitor and a manager: the coordinators; two monitors would be worse than one.
    pub fn monitor_numbers(&self) -> std::ops::RangeInclusive<u8> {
        match *self.coordinators().end() {
            2 => 1..=1,
            last => 1..=last,
        }
    }

    /// Ceph's daemons that are a node's: what the lab began with, and the OSDs that PVC has added and not removed.
    pub fn ceph_daemons(&self, number: u8) -> Vec<Daemon> {
        if !self.has_ceph() {
            return Vec::new();
        }
        let mut all = Vec::new();
        if self.monitor_numbers().contains(&number) {
            all.extend([Daemon::Monitor, Daemon::Manager]);
        }
        let stores =
            fs::read_dir(self.place(number).join("var-lib/ceph/osd")).into_iter().flatten().flatten();
        let mut osds: Vec<u32> = stores
            .filter(|store| store.path().join("ready").exists())
            .filter_map(|store| store.file_name().to_str()?.strip_prefix("ceph-")?.parse().ok())
            .collect();
        osds.sort_unstable();
        all.extend(osds.into_iter().map(Daemon::Osd));
        all
    }

    /// The name under which a node keeps one of its processes, by the name that it has for a hand: `osd` is the OSD that
    /// the lab began with.
    pub(super) fn kept_name(&self, number: u8, process: &str) -> String {
        let process =
            if process == "osd" { Daemon::Osd(first_osd(number)).name() } else { process.to_owned() };
        let daemon = self.ceph_daemons(number).into_iter().find(|daemon| daemon.name() == process);
        daemon.map_or(process, Daemon::program)
    }

    /// Starts of a node's Ceph what does not run, but for the OSDs that PVC has added: those are its own to start. It does
    /// not wait until Ceph is well.
    ///
    /// # Errors
    /// When the node has not got its address, or a daemon ends at once.
    pub fn start_ceph(&self, number: u8) -> Result<()> {
        let daemons = self.ceph_daemons(number);
        if daemons.is_empty() {
            return Ok(());
        }
        awaits_address(&self.node(number)?, number)?;
        let is_own = |daemon: &Daemon| !matches!(daemon, Daemon::Osd(id) if *id != first_osd(number));
        daemons.into_iter().filter(is_own).try_for_each(|daemon| self.start_daemon(number, daemon))
    }

    fn start_daemon(&self, number: u8, daemon: Daemon) -> Result<()> {
        let (node, program) = (self.node(number)?, daemon.program());
        fs::create_dir_all(node.path("/run/ceph"))?;
        if !node.runs(&program) {
            let words = daemon.words(number);
            node.start(&program, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        wait_for(&program, LAB_LIMIT, || {
            ensure!(node.runs(&program), "it does not run: {}", daemons::said(&node, &program));
            Ok(())
        })
    }

    /// What Ceph's own program says on a node.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn ceph(&self, number: u8, words: &[&str]) -> Result<String> {
        output(self.node(number)?.inside("ceph").args(["--connect-timeout", "30"]).args(words))
    }

    /// Ceph's status, as a node's client sees it.
    ///
    /// # Errors
    /// When no monitor answers.
    pub fn ceph_status(&self, number: u8) -> Result<Value> {
        Ok(serde_json::from_str(&self.ceph(number, &["status", "--format", "json"])?)?)
    }

    /// Waits until all monitors agree, a manager is there, this many OSDs are up and in, and Ceph reports no error.
    ///
    /// # Errors
    /// What is not so after four minutes.
    pub fn ceph_is_well(&self, by: u8, osds: u64) -> Result<()> {
        wait_for("Ceph to be well", READY_LIMIT, || {
            let status = self.ceph_status(by)?;
            let health = status["health"]["status"].as_str().unwrap_or_default();
            let monitors = status["quorum_names"].as_array().map_or(0, Vec::len);
            let up = status["osdmap"]["num_up_osds"].as_u64().unwrap_or_default();
            let inside = status["osdmap"]["num_in_osds"].as_u64().unwrap_or_default();
            ensure!(monitors == self.monitor_numbers().len(), "{monitors} monitors agree");
            ensure!(status["mgrmap"]["available"] == true, "there is no manager");
            ensure!((up, inside) == (osds, osds), "{up} OSDs are up and {inside} are in, not {osds}");
            ensure!(health == "HEALTH_OK" || health == "HEALTH_WARN", "its health is {}", status["health"]);
            Ok(())
        })
    }
}

/// Waits until PVC has given a node its address on the storage network: Ceph's daemons end without theirs.
fn awaits_address(node: &Node, number: u8) -> Result<()> {
    let address = format!("{}/", Network::Storage.address(number));
    wait_for("the address on the storage network", ADDRESS_LIMIT, || {
        if !node.first.is_alive() {
            return Ok(Err(anyhow!("{} was switched off meanwhile", node.name)));
        }
        let told = output(node.inside("ip").args(["-4", "-o", "address", "show"]))?;
        match told.split_whitespace().any(|word| word.starts_with(&address)) {
            true => Ok(Ok(())),
            false => bail!("{} has not got it: {}", node.name, daemons::said(node, "pvcnoded")),
        }
    })?
}

/// Starts a lab's Ceph, on all its nodes at once, and waits until it is well.
///
/// # Errors
/// What of it does not come up.
pub(super) fn start(rack: &Rack) -> Result<String> {
    // The monitors first: the others give up when nobody answers them.
    super::together(rack.numbers(), |number| {
        let node = rack.node(number)?;
        awaits_address(&node, number)
    })?;
    super::together(rack.monitor_numbers(), |number| rack.start_daemon(number, Daemon::Monitor))?;
    lay::register(rack)?;
    super::together(rack.numbers(), |number| rack.start_ceph(number))?;
    let osds = rack.numbers().map(|number| rack.ceph_daemons(number));
    let osds = osds.flatten().filter(|daemon| matches!(daemon, Daemon::Osd(_))).count();
    rack.ceph_is_well(1, u64::try_from(osds).context("OSDs are counted")?)?;
    Ok(format!("{} monitors, {osds} OSDs", rack.monitor_numbers().len()))
}

#[cfg(test)]
mod tests;
