//! PVC's own daemons inside a node: their configuration, their start, and the command line beside them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{LAB_LIMIT, program, run, tail, wait_for};
use crate::lab::node::Node;
use crate::tree;

/// Where the API of a node that is alone listens inside it.
pub const API_INSIDE: &str = "127.0.0.1:7370";

/// The daemons, in the order of their start.
pub const DAEMONS: [&str; 3] = ["pvcnoded", "pvcworkerd", "pvcapid"];

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly, with checks.
    Dev,
    /// As shipped.
    Release,
}

impl Profile {
    /// The folder that cargo puts its programs in.
    pub fn folder(self) -> PathBuf {
        tree::target().join(match self {
            Self::Dev => "debug",
            Self::Release => "release",
        })
    }

    /// Builds PVC's programs.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build(self) -> Result<()> {
        let mut cargo = program("cargo");
        cargo
            .current_dir(tree::root())
            .args(["build", "--quiet", "-p", "agent", "-p", "apid", "-p", "cli", "--bins"]);
        if self == Self::Release {
            cargo.arg("--release");
        }
        run(&mut cargo)
    }
}

/// What differs from one node's configuration to another's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The line `store = …` and what belongs to it.
    pub store: String,
    /// The cluster's name.
    pub cluster: String,
    /// Where the API listens: address and port.
    pub listen: String,
    /// The token of the API.
    pub token: String,
    /// The lines about the node's networks; none where it has none.
    pub network: String,
    /// The lines about its storage; none where it has none.
    pub storage: String,
}

/// Writes `pvc.toml`, and the `pvc.conf` that clients of earlier versions read for their local connection.
///
/// # Errors
/// When the folder cannot be written.
pub fn configure(folder: &Path, settings: &Settings) -> Result<()> {
    let Settings { store, cluster, listen, token, network, storage } = settings;
    let etc = folder.join("etc/pvc");
    fs::create_dir_all(&etc)?;
    let toml = format!(
        "# Made by cargo xtask.\n{store}\ncluster = \"{cluster}\"\n\n[api]\nlisten = \"{listen}\"\n\n\
         [[api.token]]\ndescription = \"local\"\ntoken = \"{token}\"\n\n{network}{storage}"
    );
    let (address, port) = listen.split_once(':').context("an address has a port")?;
    let yaml = format!(
        "# Made by cargo xtask, for clients of earlier versions.\napi:\n  listen:\n    address: {address}\n    port: {port}\n  \
         authentication:\n    enabled: yes\n    tokens:\n      - description: local\n        token: {token}\n    \
         token:\n      - description: local\n        token: {token}\n  ssl:\n    enabled: no\n"
    );
    for (name, text) in [("pvc.toml", toml), ("pvc.conf", yaml)] {
        fs::write(etc.join(name), text)?;
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(0o600))?;
    }
    // A directory that is to be the storage must be there: one that is not mounted is not written to.
    for part in ["var-lib/pvc/storage", "var-log/pvc"] {
        fs::create_dir_all(folder.join(part))?;
    }
    Ok(())
}

/// Starts the daemons that do not run yet.
///
/// # Errors
/// When one of them ends again; the end of its output is part of the error.
pub fn start(node: &Node, profile: Profile) -> Result<()> {
    for name in DAEMONS {
        if !node.runs(name) {
            let path = profile.folder().join(name);
            let path = path.to_str().context("the path of the programs is no text")?;
            node.start(name, &[path, "--config", "/etc/pvc/pvc.toml"])?;
        }
    }
    for name in DAEMONS {
        wait_for(name, LAB_LIMIT, || match node.runs(name) {
            true => Ok(()),
            false => bail!("it does not run: {}", said(node, name)),
        })?;
    }
    Ok(())
}

/// The end of what a daemon said.
pub fn said(node: &Node, name: &str) -> String {
    let text = fs::read(node.folder.join(format!("var-log/{name}.out"))).unwrap_or_default();
    tail(&String::from_utf8_lossy(&text), 15)
}

/// A command inside the node, with PVC's programs on its path and in the folder that we are in.
pub fn command(node: &Node, profile: Profile, words: &[&str]) -> Command {
    let mut command = node.inside("sh");
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let script = "cd \"$1\" && PATH=\"$2:$PATH\" && export PATH && shift 2 && exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(here).arg(profile.folder()).args(words);
    command
}

/// The command line `pvc` inside the node, on its local connection.
pub fn pvc(node: &Node, profile: Profile, words: &[&str]) -> Command {
    command(node, profile, &[&["pvc", "-c", "local"], words].concat())
}
