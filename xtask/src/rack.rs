//! The lab: N machines made of namespaces, a switch with three networks between them, and a power controller for each.
//!
//! Everything that is remembered lies in one folder, so that one command goes on where another ended; the tests and the
//! measurements use the same code. Nothing outside of the folder is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{Answer, Connection};
use crate::lab::daemons::{self, Profile};
use crate::lab::node::Node;
use crate::lab::patience::{self, Outcome};
use crate::tree;
use crate::up::Preparation;

pub mod ceph;
pub mod command;
pub mod controller;
pub mod disks;
pub mod faults;
pub mod guests;
pub mod make;
pub mod network;
pub mod numbered;
pub mod power;
pub mod switch;

use ceph::Storage;
use network::Network;
use switch::Switch;

/// How many machines there may be.
pub const NODES_MAX: u8 = 20;

/// How many of them may be primary unless it is said otherwise.
const COORDINATORS_USUAL: u8 = 3;

/// The port of the nodes' APIs.
pub const API_PORT: u16 = 7370;

/// What to make, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether packages and programs are still to be provided.
    pub preparation: Preparation,
    /// How the programs are built.
    pub profile: Profile,
    /// The folder of its state.
    pub folder: PathBuf,
    /// How many machines.
    pub nodes: u8,
    /// How many of them, from the first, may be primary; the others are hypervisors.
    pub coordinators: u8,
    /// On how many of them, from the first, a ZooKeeper server runs.
    pub servers: u8,
    /// Where their volumes are.
    pub storage: Storage,
}

impl Plan {
    /// As many machines as said, with three ZooKeeper servers where there are enough for them; three may be primary, as in
    /// most clusters, or all where there are fewer.
    pub fn of(nodes: u8, folder: PathBuf, profile: Profile) -> Self {
        let servers = if nodes >= 3 { 3 } else { 1 };
        let (coordinators, storage) = (nodes.min(COORDINATORS_USUAL), Storage::None);
        Self { preparation: Preparation::Needed, profile, folder, nodes, coordinators, servers, storage }
    }

    /// Whether it can be made.
    ///
    /// # Errors
    /// What cannot be.
    pub fn check(&self) -> Result<()> {
        if !(1..=NODES_MAX).contains(&self.nodes) {
            bail!("there can be 1 to {NODES_MAX} machines, not {}", self.nodes);
        }
        if !(1..=self.nodes).contains(&self.coordinators) {
            bail!("{} coordinators of {} machines cannot be", self.coordinators, self.nodes);
        }
        if ![1, 3].contains(&self.servers) || self.servers > self.nodes {
            bail!("{} ZooKeeper servers on {} machines cannot be", self.servers, self.nodes);
        }
        Ok(())
    }
}

/// The folder that the commands use.
pub fn folder() -> PathBuf {
    std::env::var_os("PVC_LAB_DIR").map_or_else(|| tree::target().join("lab"), PathBuf::from)
}

/// What is remembered of a lab from its making on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Memory {
    release: bool,
    nodes: u8,
    coordinators: u8,
    servers: u8,
    token: String,
    secret: String,
    initialised: bool,
    /// The name of its Ceph, if it has one.
    fsid: Option<String>,
}

/// A lab.
#[derive(Clone, Debug)]
pub struct Rack {
    /// Where everything about it lies.
    pub folder: PathBuf,
    /// This program, which machines are started with.
    pub xtask: PathBuf,
    memory: Memory,
}

impl Rack {
    /// The one in this folder, whatever of it is on.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(folder: &Path, xtask: &Path) -> Result<Self> {
        let absent = "no lab is up; begin with `cargo xtask lab up`";
        let folder = fs::canonicalize(folder).context(absent)?;
        let text = fs::read_to_string(folder.join("lab.json")).context(absent)?;
        Ok(Self { folder, xtask: xtask.into(), memory: serde_json::from_str(&text)? })
    }

    fn keep(&self) -> Result<()> {
        Ok(fs::write(self.folder.join("lab.json"), serde_json::to_string_pretty(&self.memory)?)?)
    }

    /// The numbers of its machines.
    pub fn numbers(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.memory.nodes
    }

    /// The numbers of the machines on which a ZooKeeper server runs.
    pub fn server_numbers(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.memory.servers
    }

    /// The numbers of the machines that may be primary.
    pub fn coordinators(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.memory.coordinators
    }

    /// How its programs were built.
    pub fn profile(&self) -> Profile {
        if self.memory.release { Profile::Release } else { Profile::Dev }
    }

    /// The token of its APIs.
    pub fn token(&self) -> &str {
        &self.memory.token
    }

    /// A machine's folder, which is there whether it is on or off.
    pub fn place(&self, number: u8) -> PathBuf {
        self.folder.join(name(number))
    }

    /// A machine, if it is on.
    pub fn machine(&self, number: u8) -> Option<Node> {
        Node::find(&self.place(number))
    }

    /// A machine that is on.
    ///
    /// # Errors
    /// When it is off, or there is none of that number.
    pub fn node(&self, number: u8) -> Result<Node> {
        if !self.numbers().contains(&number) {
            bail!("there is no node {number}; there are {} of them", self.memory.nodes);
        }
        self.machine(number).with_context(|| format!("{} is off", name(number)))
    }

    /// The switch.
    ///
    /// # Errors
    /// When it is off.
    pub fn switch(&self) -> Result<Switch> {
        Switch::find(&self.folder).context("the switch is off; begin with `cargo xtask lab up`")
    }

    /// The command line `pvc` on a node, on its local connection.
    ///
    /// # Errors
    /// When it is off.
    pub fn pvc_command(&self, number: u8, words: &[&str]) -> Result<Command> {
        Ok(daemons::pvc(&self.node(number)?, self.profile(), words))
    }

    /// What `pvc` says on a node; it must end well.
    ///
    /// # Errors
    /// What it says when it does not.
    pub fn pvc(&self, number: u8, words: &[&str]) -> Result<String> {
        patience::said(words, |words| self.pvc_command(number, words))
    }

    /// What `pvc` says on a node when it refuses.
    ///
    /// # Errors
    /// When it does not.
    pub fn pvc_refuses(&self, number: u8, words: &[&str]) -> Result<String> {
        let ended = patience::ended(Outcome::Refused, words, |words| self.pvc_command(number, words))?;
        if ended.status.code() != Some(1) {
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            bail!("`pvc {}` ended with {}, not with 1: {}", words.join(" "), ended.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    /// One request to the API at an address, from the switch.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn ask_at(
        &self,
        address: std::net::Ipv4Addr,
        method: &str,
        path: &str,
        form: &str,
    ) -> Result<Answer> {
        let at = format!("{address}:{API_PORT}");
        self.switch()?.node.with_network(|| Connection::open(&at, self.token())?.request(method, path, form))
    }

    /// One request to a node's API, from the switch.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, number: u8, method: &str, path: &str, form: &str) -> Result<Answer> {
        self.ask_at(Network::Upstream.address(number), method, path, form)
    }

    /// The same, asked again while the API says that its store is late.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn answer(&self, number: u8, method: &str, path: &str, form: &str) -> Result<Answer> {
        patience::answer(|| self.ask(number, method, path, form))
    }

    /// What a node's API tells, which must be there.
    ///
    /// # Errors
    /// When the answer's status is not 200.
    pub fn told(&self, number: u8, path: &str) -> Result<Value> {
        let answer = self.answer(number, "GET", path, "")?;
        if answer.status != 200 {
            bail!("{} answers {path} with {}: {}", name(number), answer.status, answer.body);
        }
        answer.json()
    }

    /// All nodes as a node's API tells them.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn nodes(&self, number: u8) -> Result<Vec<Value>> {
        let told = self.told(number, "/api/v1/node")?;
        Ok(told.as_array().context("the nodes are no list")?.clone())
    }

    /// The state of one node as another tells it.
    ///
    /// # Errors
    /// When that one does not answer or does not know the node.
    pub fn state_of(&self, number: u8, by: u8) -> Result<String> {
        let nodes = self.nodes(by)?;
        let node = nodes.iter().find(|node| node["name"] == name(number));
        let node = node.with_context(|| format!("{} does not know {}", name(by), name(number)))?;
        Ok(node["daemon_state"].as_str().context("a node has a state")?.to_owned())
    }
}

/// A node's name.
pub fn name(number: u8) -> String {
    format!("pvc{number}")
}

/// Does something for several machines at once.
///
/// # Errors
/// The first that failed, with its machine.
pub fn together<T: Send>(
    numbers: impl IntoIterator<Item = u8>,
    work: impl Fn(u8) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let begun: Vec<_> =
            numbers.into_iter().map(|number| (number, scope.spawn(move || work(number)))).collect();
        let ended = begun.into_iter().map(|(number, thread)| {
            thread.join().expect("the work does not panic").with_context(|| name(number))
        });
        // All are waited for, and then the first failure is told.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}
