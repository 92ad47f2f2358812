//! libvirt inside a node: its configuration, and its two daemons.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command::{LAB_LIMIT, output, wait_for};
use crate::lab::node::Node;

/// Whether other machines may reach libvirt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They may not.
    Out,
    /// They may, over mutual TLS, to send guests here. The certificates have to be there before libvirt starts.
    In,
}

impl Others {
    /// What `libvirtd.conf` says about it. The short keepalive ends the migration to a machine that is gone in time.
    fn libvirtd(self) -> &'static str {
        match self {
            Self::Out => "listen_tls = 0\n",
            Self::In => "listen_tls = 1\nauth_tls = \"none\"\nkeepalive_interval = 1\nkeepalive_count = 5\n",
        }
    }

    /// What `qemu.conf` says about it.
    fn qemu(self) -> &'static str {
        match self {
            Self::Out => "",
            Self::In => "migrate_tls_force = 1\nkeepalive_interval = 1\nkeepalive_count = 5\n",
        }
    }
}

const LIBVIRTD_CONF: &str = "listen_tcp = 0
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
pub fn configure(folder: &Path, others: Others) -> Result<()> {
    let etc = folder.join("etc/libvirt");
    for part in ["qemu", "hooks"] {
        fs::create_dir_all(etc.join(part))?;
    }
    // Debian's libvirt wants this user to exist, even when another is configured; another package creates it.
    for (file, line) in [
        ("passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"),
        ("group", "libvirt-qemu:x:64055:\n"),
    ] {
        let mut text = fs::read_to_string(Path::new("/etc").join(file))?;
        if !text.contains("libvirt-qemu:") {
            text.push_str(line);
        }
        fs::write(folder.join("etc").join(file), text)?;
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let host = format!("{}{LIBVIRTD_CONF}host_uuid = \"{}\"\n", others.libvirtd(), id.trim());
    if !etc.join("libvirtd.conf").exists() {
        fs::write(etc.join("libvirtd.conf"), host)?;
    }
    fs::write(etc.join("qemu.conf"), format!("{QEMU_CONF}{}", others.qemu()))?;
    if others == Others::In {
        // The node's own: in the machine's nothing could be laid out.
        fs::create_dir_all(folder.join("etc/pki"))?;
    }
    fs::write(etc.join("virtlogd.conf"), VIRTLOGD_CONF)?;
    for part in ["var-lib/libvirt", "var-log/libvirt/qemu", "var-cache/libvirt"] {
        fs::create_dir_all(folder.join(part))?;
    }
    Ok(())
}

/// Starts both daemons, those that do not run yet, and waits until libvirt answers.
///
/// # Errors
/// When libvirt does not answer within two minutes, or the node's power is cut meanwhile.
pub fn start(node: &Node) -> Result<String> {
    if !node.runs("virtlogd") {
        node.start("virtlogd", &["virtlogd"])?;
    }
    let goes_on = || -> Result<()> {
        ensure!(node.first.is_alive(), "the node was switched off meanwhile");
        Ok(())
    };
    wait_for("virtlogd", LAB_LIMIT, || match goes_on() {
        Ok(()) => {
            let there = fs::metadata(node.path("/run/libvirt/virtlogd-sock"));
            there.context("it does not listen").map(|_| Ok(()))
        }
        off => Ok(off),
    })??;
    if !node.runs("libvirtd") {
        let settings = fs::read_to_string(node.path("/etc/libvirt/libvirtd.conf")).unwrap_or_default();
        let listens = settings.contains("listen_tls = 1");
        node.start("libvirtd", if listens { &["libvirtd", "--listen"] } else { &["libvirtd"] })?;
    }
    let version = wait_for("libvirt to answer", LAB_LIMIT, || match goes_on() {
        Ok(()) => {
            output(node.inside("virsh").args(["-q", "-c", "qemu:///system", "version", "--daemon"])).map(Ok)
        }
        Err(off) => Ok(Err(off)),
    })??;
    let running = version.lines().find_map(|line| line.strip_prefix("Running against daemon: "));
    Ok(format!("libvirt {}", running.unwrap_or("of an unknown version")))
}
