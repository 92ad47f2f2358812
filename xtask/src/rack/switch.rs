//! The switch between the machines: a bridge for each network, in a namespace of its own, and what is cut in it.
//!
//! What is cut is remembered in a file, so that a machine that is switched on again finds its cable still pulled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::{output, run};
use crate::lab::node::Node;
use crate::rack::network::Network;

/// What is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuts {
    /// Pulled cables.
    pub cables: BTreeSet<(u8, Network)>,
    /// Pairs of nodes that do not hear each other, the lower number first.
    pub pairs: BTreeSet<(u8, u8, Network)>,
}

/// The switch, which is on.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its namespaces.
    pub node: Node,
    cuts: PathBuf,
}

impl Switch {
    /// Switches it on, or finds it.
    ///
    /// # Errors
    /// When namespaces or bridges are refused.
    pub fn ensure(folder: &Path, xtask: &Path) -> Result<Self> {
        let place = folder.join("switch");
        if let Some(found) = Self::find(folder) {
            return Ok(found);
        }
        fs::create_dir_all(&place)?;
        let switch = Self { node: Node::boot("switch", &place, xtask)?, cuts: place.join("cuts.json") };
        let mut lines = Vec::new();
        for network in Network::ALL {
            let (name, mtu) = (network.name(), network.mtu());
            lines.push(format!(
                "link add {name} mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
            ));
            lines.push(format!("address add {}/24 dev {name}", network.switch()));
            lines.push(format!("link set {name} up"));
        }
        switch.node.ip(&lines)?;
        switch.apply(&Cuts::default())?;
        Ok(switch)
    }

    /// The one that was switched on in this folder, if it still is.
    pub fn find(folder: &Path) -> Option<Self> {
        let place = folder.join("switch");
        Node::find(&place).map(|node| Self { node, cuts: place.join("cuts.json") })
    }

    /// Plugs a machine in that was just switched on: its devices appear, each with a cable to its network.
    ///
    /// # Errors
    /// When the machine is gone again.
    pub fn plug(&self, number: u8, machine: &Node) -> Result<()> {
        self.unplug(number)?;
        let mut lines = Vec::new();
        for network in Network::ALL {
            let (port, device, mtu) = (network.port(number), network.device(), network.mtu());
            let (hardware, pid) = (network.hardware(number), machine.first.pid);
            lines.push(format!(
                "link add {port} mtu {mtu} type veth peer name {device} address {hardware} mtu {mtu} netns {pid}"
            ));
            lines.push(format!("link set {port} master {}", network.name()));
        }
        self.node.ip(&lines)?;
        // What is cut holds for the new ports too.
        self.change(|_| ())
    }

    /// Takes a machine's ports down, so that nothing it still says is heard.
    ///
    /// # Errors
    /// When the switch is gone.
    pub fn silence(&self, number: u8) -> Result<()> {
        let there = Network::ALL.into_iter().filter(|network| self.has(*network, number));
        let lines: Vec<String> =
            there.map(|network| format!("link set {} down", network.port(number))).collect();
        self.node.ip(&lines)
    }

    /// Removes a machine's ports, and with them the devices in the machine.
    ///
    /// # Errors
    /// When the switch is gone.
    pub fn unplug(&self, number: u8) -> Result<()> {
        for network in Network::ALL {
            let port = network.port(number);
            // With the machine's namespaces the kernel takes its devices away, and their other ends, in its own time.
            if self.has(network, number) && self.node.ip(&[format!("link delete {port}")]).is_err() {
                ensure!(!self.has(network, number), "the port {port} cannot be removed");
            }
        }
        Ok(())
    }

    /// What is cut now.
    ///
    /// # Errors
    /// When what is remembered cannot be read.
    pub fn cuts(&self) -> Result<Cuts> {
        let text = fs::read_to_string(&self.cuts).context("the switch remembers nothing")?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Changes what is cut.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn change(&self, change: impl FnOnce(&mut Cuts)) -> Result<()> {
        let lock = fs::File::create(self.cuts.with_extension("lock"))?;
        lock.lock()?;
        let mut cuts = self.cuts()?;
        change(&mut cuts);
        self.apply(&cuts)
    }

    fn apply(&self, cuts: &Cuts) -> Result<()> {
        let mut rules = String::from(
            "table bridge cuts {}\ndelete table bridge cuts\ntable bridge cuts {\nchain cuts {\n",
        );
        rules.push_str("type filter hook forward priority 0; policy accept;\n");
        for (a, b, network) in &cuts.pairs {
            let (a, b) = (network.port(*a), network.port(*b));
            for (from, to) in [(&a, &b), (&b, &a)] {
                rules.push_str(&format!("iifname \"{from}\" oifname \"{to}\" counter drop\n"));
            }
        }
        rules.push_str("}\n}\n");
        let file = self.cuts.with_extension("nft");
        fs::write(&file, rules)?;
        run(self.node.on_network("nft").arg("-f").arg(&file))?;
        let mut lines = Vec::new();
        for number in 1..=crate::rack::NODES_MAX {
            for network in Network::ALL.into_iter().filter(|network| self.has(*network, number)) {
                let cut = cuts.cables.contains(&(number, network));
                lines.push(format!("link set {} {}", network.port(number), if cut { "down" } else { "up" }));
            }
        }
        self.node.ip(&lines)?;
        let new = self.cuts.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(cuts)?)?;
        Ok(fs::rename(new, &self.cuts)?)
    }

    /// How many packets were dropped between pairs, by the kernel's own count since the last change.
    ///
    /// # Errors
    /// When the kernel's answer is not understood.
    pub fn dropped(&self) -> Result<u64> {
        let told = output(self.node.on_network("nft").args(["-j", "list", "table", "bridge", "cuts"]))?;
        let told: Value = serde_json::from_str(&told)?;
        let objects = told["nftables"].as_array().context("it is no list")?;
        let rules = objects.iter().filter_map(|object| object["rule"]["expr"].as_array()).flatten();
        Ok(rules.filter_map(|part| part["counter"]["packets"].as_u64()).sum())
    }

    fn has(&self, network: Network, number: u8) -> bool {
        self.node.path(&format!("/sys/class/net/{}", network.port(number))).exists()
    }
}
