//! The power of one machine: on, off as by a cut, and the programs that it starts by itself.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::command::{output, wait_for};
use crate::lab::daemons::{self, DAEMONS};
use crate::lab::node::Node;
use crate::lab::{libvirt, zookeeper};
use crate::rack::{Rack, name};

/// How long a machine's programs may take until its API answers; a busy machine is slow, and the store may be away.
const PROGRAMS_LIMIT: Duration = Duration::from_secs(240);

impl Rack {
    /// One change of a machine's power at a time, and one start of its programs, whoever asks for it. A power cut waits
    /// for no program.
    fn hold(&self, number: u8, what: &str) -> Result<File> {
        let lock = File::create(self.folder.join(format!("{}.{what}.lock", name(number))))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Switches a machine on and plugs it in, without its programs; one that is on is left alone.
    ///
    /// # Errors
    /// When namespaces are refused or the switch is off.
    pub fn boot(&self, number: u8) -> Result<Node> {
        if !self.numbers().contains(&number) {
            bail!("there is no node {number}");
        }
        let _held = self.hold(number, "power")?;
        if let Some(node) = self.machine(number) {
            return Ok(node);
        }
        let switch = self.switch()?;
        let node = Node::boot(&name(number), &self.place(number), &self.xtask)?;
        switch.plug(number, &node)?;
        Ok(node)
    }

    /// Switches a machine on, and starts of its programs what does not run: what a machine does by itself.
    ///
    /// # Errors
    /// When its API does not answer within four minutes.
    pub fn start(&self, number: u8) -> Result<()> {
        self.boot(number)?;
        self.start_programs(number)
    }

    /// Starts of a machine's programs what does not run, and waits until its API answers.
    ///
    /// # Errors
    /// When it does not within four minutes; what the daemons said last is part of the error.
    pub fn start_programs(&self, number: u8) -> Result<()> {
        let _held = self.hold(number, "programs")?;
        self.show_disks(number)?;
        self.start_foundation(number)?;
        self.start_daemons(number)?;
        self.start_ceph(number)
    }

    /// Starts libvirt and the store's server.
    pub(super) fn start_foundation(&self, number: u8) -> Result<()> {
        let node = self.node(number)?;
        if self.server_numbers().contains(&number) {
            zookeeper::launch(&node)?;
        }
        // libvirt reads its certificates when it starts.
        if !node.runs("libvirtd") {
            let noded = self.profile().folder().join("pvcnoded");
            output(node.inside(noded).args(["identity", "install"]))?;
        }
        libvirt::start(&node).map(drop)
    }

    /// Starts PVC's daemons, again and again as an init system does, until the API answers.
    pub(super) fn start_daemons(&self, number: u8) -> Result<()> {
        let node = self.node(number)?;
        let what = format!("the API of {}", name(number));
        wait_for(&what, PROGRAMS_LIMIT, || {
            if self.machine(number).is_none() {
                return Ok(Err(anyhow::anyhow!("{} was switched off meanwhile", name(number))));
            }
            daemons::start(&node, self.profile())?;
            let answer = self.ask_inside(&node)?;
            let said = || DAEMONS.map(|daemon| daemons::said(&node, daemon)).join("\n");
            match answer.status {
                200 => Ok(Ok(())),
                status => bail!("it answers {status}: {}\n{}", answer.body, said()),
            }
        })?
    }

    /// Asks a node's own API in the node: its cables may be pulled.
    fn ask_inside(&self, node: &Node) -> Result<crate::http::Answer> {
        let at = format!("127.0.0.1:{}", crate::rack::API_PORT);
        node.with_network(|| crate::http::once(&at, self.token(), "GET", "/api/v1/"))
    }

    /// Cuts a machine's power. Its links go down first, so that no farewell of its connections gets out; they stay down
    /// until it is started. Tells whether it was on.
    ///
    /// # Errors
    /// When something of it is still there after two minutes.
    pub fn kill(&self, number: u8) -> Result<bool> {
        let _held = self.hold(number, "power")?;
        let Some(node) = self.machine(number) else { return Ok(false) };
        let switch = self.switch()?;
        switch.silence(number)?;
        node.vanish()?;
        switch.unplug(number)?;
        Ok(true)
    }

    /// Cuts a machine's power and switches it on again.
    ///
    /// # Errors
    /// As [`Rack::kill`] and [`Rack::start`].
    pub fn reset(&self, number: u8) -> Result<()> {
        self.kill(number)?;
        self.start(number)
    }
}

/// Whether a machine's folder is there at all.
pub(super) fn was_made(rack: &Rack, number: u8) -> bool {
    fs::metadata(rack.place(number).join("etc/pvc/pvc.toml")).is_ok()
}
