//! libvirt inside a node: its configuration, and its two daemons.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::{output, wait_for};
use crate::lab::node::Node;

const LIBVIRTD_CONF: &str = "listen_tls = 0
listen_tcp = 0
auth_unix_rw = \"none\"
auth_unix_ro = \"none\"
log_outputs = \"3:file:/var/log/libvirt/libvirtd.log\"
";

/// Guests belong to root and nothing is confined: the node's namespaces are what confines. Their consoles go through
/// `virtlogd`, which bounds the files.
const QEMU_CONF: &str = "user = \"root\"
group = \"root\"
dynamic_ownership = 0
remember_owner = 0
security_driver = \"none\"
namespaces = []
cgroup_controllers = []
stdio_handler = \"logd\"
";

const VIRTLOGD_CONF: &str = "max_size = 1048576
max_backups = 2
";

/// Writes the configuration into a node's folder, before the node is switched on.
///
/// # Errors
/// When the folder cannot be written.
pub fn configure(folder: &std::path::Path) -> Result<()> {
    let etc = folder.join("etc/libvirt");
    for part in ["qemu", "hooks"] {
        fs::create_dir_all(etc.join(part))?;
    }
    // Debian's libvirt wants this user to exist, even when another is configured; another package creates it.
    for (file, line) in [
        ("passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"),
        ("group", "libvirt-qemu:x:64055:\n"),
    ] {
        let mut text = fs::read_to_string(std::path::Path::new("/etc").join(file))?;
        if !text.contains("libvirt-qemu:") {
            text.push_str(line);
        }
        fs::write(folder.join("etc").join(file), text)?;
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let host = format!("{LIBVIRTD_CONF}host_uuid = \"{}\"\n", id.trim());
    if !etc.join("libvirtd.conf").exists() {
        fs::write(etc.join("libvirtd.conf"), host)?;
    }
    fs::write(etc.join("qemu.conf"), QEMU_CONF)?;
    fs::write(etc.join("virtlogd.conf"), VIRTLOGD_CONF)?;
    for part in ["var-lib/libvirt", "var-log/libvirt/qemu", "var-cache/libvirt"] {
        fs::create_dir_all(folder.join(part))?;
    }
    Ok(())
}

/// Starts both daemons, those that do not run yet, and waits until libvirt answers.
///
/// # Errors
/// When libvirt does not answer within 60 s.
pub fn start(node: &Node) -> Result<String> {
    if !node.runs("virtlogd") {
        node.start("virtlogd", &["virtlogd"])?;
    }
    wait_for("virtlogd", Duration::from_secs(20), || {
        fs::metadata(node.path("/run/libvirt/virtlogd-sock")).context("it does not listen").map(drop)
    })?;
    if !node.runs("libvirtd") {
        node.start("libvirtd", &["libvirtd"])?;
    }
    let version = wait_for("libvirt to answer", Duration::from_secs(60), || {
        output(node.inside("virsh").args(["-q", "-c", "qemu:///system", "version", "--daemon"]))
    })?;
    let running = version.lines().find_map(|line| line.strip_prefix("Running against daemon: "));
    Ok(format!("libvirt {}", running.unwrap_or("of an unknown version")))
}
