//! Disturbances of a lab that is up: processes killed and stalled, cables pulled, pairs cut; and all of it healed.

use std::fs;

use anyhow::{Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::command::{LAB_LIMIT, tail, wait_for};
use crate::lab::daemons;
use crate::rack::ceph::Daemon;
use crate::rack::network::Network;
use crate::rack::{Rack, name};

/// The programs that every machine may run, by the names under which they are stopped and stalled.
const PROGRAMS: [&str; 6] = ["virtlogd", "libvirtd", "zookeeper", "pvcnoded", "pvcworkerd", "pvcapid"];

impl Rack {
    /// Ends one process of a machine at once. It stays away until the machine's programs are started again.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self, number: u8, process: &str) -> Result<()> {
        self.node(number)?.process(&self.known(number, process)?)?.end()
    }

    /// Stops the time of one process of a machine, until it is healed.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stall(&self, number: u8, process: &str) -> Result<()> {
        self.node(number)?.process(&self.known(number, process)?)?.signal(Signal::SIGSTOP)
    }

    /// Stops the time of all of Ceph, on every machine that is on, until it is healed.
    ///
    /// # Errors
    /// When something of it does not run.
    pub fn stall_ceph(&self) -> Result<()> {
        for (number, daemon) in self.ceph_of_all() {
            self.stall(number, &daemon.name())?;
        }
        wait_for("the time of Ceph to stand still", LAB_LIMIT, || self.ceph_is_stalled())
    }

    /// Whether the time of all of Ceph stands still.
    ///
    /// # Errors
    /// The first daemon that goes on.
    pub fn ceph_is_stalled(&self) -> Result<()> {
        for (number, daemon) in self.ceph_of_all() {
            let stands = self.node(number)?.is_stalled(&self.kept_name(number, &daemon.name()));
            ensure!(stands, "{} of {} goes on", daemon.name(), name(number));
        }
        Ok(())
    }

    fn ceph_of_all(&self) -> Vec<(u8, Daemon)> {
        let on = self.numbers().filter(|number| self.machine(*number).is_some());
        on.flat_map(|number| self.ceph_daemons(number).into_iter().map(move |daemon| (number, daemon)))
            .collect()
    }

    /// Pulls a machine's cables: that of one network, or all.
    ///
    /// # Errors
    /// When there is no such machine.
    pub fn cut(&self, number: u8, network: Option<Network>) -> Result<()> {
        self.exists(number)?;
        self.switch()?.change(|cuts| {
            cuts.cables.extend(chosen(network).into_iter().map(|network| (number, network)));
        })
    }

    /// Lets two machines no longer hear each other, in neither direction; all others hear both.
    ///
    /// # Errors
    /// When they are the same, or one is not there.
    pub fn drop_pair(&self, a: u8, b: u8, network: Option<Network>) -> Result<()> {
        self.exists(a)?;
        self.exists(b)?;
        if a == b {
            bail!("a machine always hears itself");
        }
        let (a, b) = (a.min(b), a.max(b));
        self.switch()?.change(|cuts| {
            cuts.pairs.extend(chosen(network).into_iter().map(|network| (a, b, network)));
        })
    }

    /// Plugs every cable in, lets everybody hear everybody, and wakes whatever was stalled. What was ended stays ended.
    ///
    /// # Errors
    /// When the switch is off.
    pub fn heal(&self) -> Result<()> {
        self.switch()?.change(|cuts| *cuts = crate::rack::switch::Cuts::default())?;
        for number in self.numbers() {
            let Some(node) = self.machine(number) else { continue };
            let kept = self.programs(number).into_iter().map(|program| self.kept_name(number, &program));
            for process in kept.filter_map(|program| node.process(&program).ok()) {
                process.signal(Signal::SIGCONT)?;
            }
        }
        Ok(())
    }

    /// Whether a machine's device on a network has a carrier, by its own account.
    ///
    /// # Errors
    /// When the machine is off.
    pub fn has_carrier(&self, number: u8, network: Network) -> Result<bool> {
        let path = self.node(number)?.path(&format!("/sys/class/net/{}/carrier", network.device()));
        Ok(fs::read_to_string(path)?.trim() == "1")
    }

    /// The programs that a machine shall run, by the names under which they are stopped and stalled.
    pub fn programs(&self, number: u8) -> Vec<String> {
        let serves = self.server_numbers().contains(&number);
        let due = PROGRAMS.into_iter().filter(|program| serves || *program != "zookeeper");
        let daemons = self.ceph_daemons(number).into_iter().map(Daemon::name);
        due.map(str::to_owned).chain(daemons).collect()
    }

    /// Whether a machine runs one of its programs; a stalled one does.
    ///
    /// # Errors
    /// When the machine is off, or shall not run such a program.
    pub fn runs(&self, number: u8, process: &str) -> Result<bool> {
        Ok(self.node(number)?.runs(&self.known(number, process)?))
    }

    /// What shall run on the machines that are on, and does not: a line for each, with the end of what a daemon said.
    pub fn fallen(&self) -> Vec<String> {
        let on = self.numbers().filter_map(|number| Some((number, self.machine(number)?)));
        let fallen = on.flat_map(|(number, node)| {
            let due = self.programs(number).into_iter();
            let fallen = due.filter(move |program| !node.runs(&self.kept_name(number, program)));
            fallen.map(move |program| (number, program))
        });
        let told = fallen.map(|(number, program)| {
            let said = self.node(number).map(|node| daemons::said(&node, &program)).unwrap_or_default();
            format!("{program} of {} does not run: {}", name(number), tail(&said, 4))
        });
        told.collect()
    }

    /// The name under which a machine keeps a process of this name.
    fn known(&self, number: u8, process: &str) -> Result<String> {
        let programs = self.programs(number);
        let is_known = process == "osd" && self.has_ceph() || programs.iter().any(|known| known == process);
        match is_known {
            true => Ok(self.kept_name(number, process)),
            false => bail!("{process} is none of {}", programs.join(", ")),
        }
    }

    fn exists(&self, number: u8) -> Result<()> {
        match self.numbers().contains(&number) {
            true => Ok(()),
            false => bail!("there is no {}", name(number)),
        }
    }
}

fn chosen(network: Option<Network>) -> Vec<Network> {
    network.map_or_else(|| Network::ALL.to_vec(), |network| vec![network])
}
