//! The lab by itself: when this fails, the fault is not PVC's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::command::{output, wait_for};
use crate::lab::guest::Guest;
use crate::lab::libvirt::{self, Others};
use crate::lab::node::Node;
use crate::tree;

const CONSOLE: &str = "/var/log/libvirt/qemu/bare-console.log";
const UUID: &str = "6f0f7d5a-6e3c-4f29-9d6e-0d4a3b1c2e5f";

/// Switches a node on, defines and starts a guest with virsh, hears it count, and cuts the node's power.
pub(super) fn guest_counts(xtask: &Path) -> Result<()> {
    let folder = tree::target().join("lab-bare");
    if let Some(left_over) = Node::find(&folder) {
        left_over.cut_power()?;
    }
    let _none = fs::remove_dir_all(&folder);
    libvirt::configure(&folder, Others::Out)?;
    let folder = fs::canonicalize(&folder)?;
    let node = Node::boot("bare", &folder, xtask)?;
    let heard = hear(&node);
    node.cut_power()?;
    heard?;
    fs::remove_dir_all(&folder).context("the node left something behind")
}

fn hear(node: &Node) -> Result<()> {
    libvirt::start(node)?;
    let guest = Guest::ensure(&tree::target().join("guest"))?;
    let file = node.folder.join("bare.xml");
    fs::write(&file, guest.bare_xml("bare", UUID, "0nonce", CONSOLE))?;
    let virsh =
        |words: &[&str]| output(node.inside("virsh").args(["-q", "-c", "qemu:///system"]).args(words));
    virsh(&["define", file.to_str().context("the path is no text")?])?;
    virsh(&["start", "bare"])?;
    wait_for("the guest to count", Duration::from_secs(240), || {
        let console = fs::read_to_string(node.path(CONSOLE)).unwrap_or_default();
        ensure!(console.contains("hello 0nonce 3"), "the console says: {console}");
        Ok(())
    })
}
