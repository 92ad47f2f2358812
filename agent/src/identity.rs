//! `pvcnoded identity`: the authority made, certificates issued, and what is there told; for an operator, once per node.

use std::io::Write;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use host::identity::{self, Outcome, Renewal, Subject, authority, pki};
use logic::config::Config;
use logic::id::NodeName;

/// What `pvcnoded identity --help` prints.
pub const USAGE: &str = "\
usage: pvcnoded identity create [NAME|ADDRESS]...              on the first node: make the cluster's authority, and this
                                                               node's identity
       pvcnoded identity issue NODE --into FOLDER [NAME|ADDRESS]...
                                                               there: make the identity of another node, to be copied
                                                               to its /etc/pvc/identity
       pvcnoded identity install                               on each node: give libvirt and QEMU their copies
       pvcnoded identity check                                 tell what is there, and until when it is good

Each NAME and ADDRESS is one by which the node is dialled beside its name; give those of the cluster's networks. Without
any, a good certificate keeps those it has, and a new one gets the addresses that the node's name stands for.
Certificates are renewed by \"issue\", and by pvcnoded itself on the node that has the authority's key.
options: --config FILE (default: /etc/pvc/pvc.toml)
example: pvcnoded identity create 10.0.0.1 && pvcnoded identity issue hv2 --into /root/hv2 10.0.0.2";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The authority and this node's identity.
    Create {
        /// By what the node is dialled beside its name.
        also: Vec<String>,
    },
    /// Another node's identity.
    Issue {
        /// The node.
        node: String,
        /// The folder that it is made in.
        into: PathBuf,
        /// By what the node is dialled beside its name.
        also: Vec<String>,
    },
    /// Copies for libvirt and QEMU.
    Install,
    /// What is there.
    Check,
    /// How this is used.
    Help,
}

/// Reads what stands behind `pvcnoded identity`, and the configuration's file where one is named.
///
/// # Errors
/// What is wrong with it.
pub fn parse(words: &[String]) -> Result<(Asked, Option<PathBuf>), String> {
    let (mut plain, mut config, mut into) = (Vec::new(), None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a path"));
        match word.as_str() {
            "--config" => config = Some(value()?),
            "--into" => into = Some(value()?),
            "--help" | "-h" => return Ok((Asked::Help, None)),
            option if option.starts_with('-') => return Err(format!("\"{option}\" is not known here")),
            plain_word => plain.push(plain_word.to_owned()),
        }
    }
    let asked = match (plain.first().map(String::as_str), into) {
        (Some("create"), None) => Asked::Create { also: plain.split_off(1) },
        (Some("issue"), Some(into)) if plain.len() > 1 => {
            let also = plain.split_off(2);
            Asked::Issue { node: plain.swap_remove(1), into, also }
        }
        (Some("issue"), None) => return Err("\"issue\" needs --into FOLDER".into()),
        (Some("issue"), Some(_)) => return Err("\"issue\" needs a node".into()),
        (Some("install"), None) if plain.len() == 1 => Asked::Install,
        (Some("check"), None) if plain.len() == 1 => Asked::Check,
        (Some(word), _) => {
            return Err(format!("\"{}\" is not understood", plain.get(1).map_or(word, |next| next)));
        }
        (None, _) => return Err("say what to do".into()),
    };
    Ok((asked, config))
}

/// Does it, on this node, and tells `out`. `root` is where libvirt and QEMU look for their copies: [`pki::ROOT`].
///
/// # Errors
/// What keeps it from being done.
pub fn perform(asked: &Asked, config: &Config, root: &Path, out: &mut dyn Write) -> Result<()> {
    let (directory, now) = (Path::new(&config.identity_directory), SystemTime::now());
    match asked {
        Asked::Help => writeln!(out, "{USAGE}")?,
        Asked::Create { also } => {
            let made = authority::ensure(directory, now)?;
            // One that has expired is renewed with its names; what else is wrong is mended by issuing it anew.
            drop(identity::ensure(directory, &config.node, now));
            let subject = chosen(config.node.clone(), also, directory, now);
            authority::issue(directory, &subject, directory, now)?;
            if made == Outcome::Changed {
                writeln!(
                    out,
                    "The cluster's authority was made in {}; keep its ca.key safe.",
                    directory.display()
                )?;
            }
            check(config, directory, now, out)?;
            if config.link.listen.is_some() {
                install(config, directory, root, now, out)?;
            }
        }
        Asked::Issue { node, into, also } => {
            let node: NodeName = node.parse()?;
            let subject = chosen(node.clone(), also, into, now);
            authority::issue(directory, &subject, into, now)?;
            writeln!(
                out,
                "The identity of {node} is in {}: copy it to {node}:{}, and remove it here.",
                into.display(),
                directory.display()
            )?;
        }
        Asked::Install => install(config, directory, root, now, out)?,
        Asked::Check => check(config, directory, now, out)?,
    }
    Ok(())
}

fn check(config: &Config, directory: &Path, now: SystemTime, out: &mut dyn Write) -> Result<()> {
    let identity = identity::read(directory, &config.node, now)?;
    let addresses = identity.addresses.iter().map(IpAddr::to_string);
    let names: Vec<String> = identity.names.iter().cloned().chain(addresses).collect();
    let left_days = identity.expires.duration_since(now).unwrap_or_default().as_secs() / (24 * 3600);
    writeln!(
        out,
        "{} is good for another {left_days} days, and for {}.",
        directory.join(identity::CERTIFICATE).display(),
        names.join(", ")
    )?;
    Ok(())
}

fn install(
    config: &Config,
    directory: &Path,
    root: &Path,
    now: SystemTime,
    out: &mut dyn Write,
) -> Result<()> {
    let (identity, renewal) = identity::ensure(directory, &config.node, now)?;
    if renewal == Renewal::DueElsewhere {
        writeln!(out, "The certificate ends soon: issue it again on the node that has the authority's key.")?;
    }
    match pki::install(&identity, root)? {
        Outcome::Unchanged => {
            writeln!(out, "The copies of libvirt and QEMU in {} are good.", root.display())?
        }
        Outcome::Changed => {
            // One that is not running, or listens to nobody, reads them when it begins to.
            let told = pki::reload().is_ok_and(|done| done.code == Some(0));
            let then =
                if told { "and libvirt has read them" } else { "and libvirt reads them when it starts" };
            writeln!(out, "The copies of libvirt and QEMU were put into {}, {then}.", root.display())?;
        }
    }
    Ok(())
}

/// Whom a certificate is made for. Without a word about it, the names of a good one that is there are kept.
fn chosen(node: NodeName, also: &[String], into: &Path, now: SystemTime) -> Subject {
    if also.is_empty() {
        return match identity::read(into, &node, now) {
            Ok(there) => Subject { node, names: there.names, addresses: there.addresses },
            Err(_) => Subject { names: Vec::new(), addresses: own_addresses(&node), node },
        };
    }
    let addresses = also.iter().filter_map(|word| word.parse().ok()).collect();
    let names = also.iter().filter(|word| word.parse::<IpAddr>().is_err()).cloned().collect();
    Subject { node, names, addresses }
}

/// Those that the node's name stands for, where it stands for any.
fn own_addresses(node: &NodeName) -> Vec<IpAddr> {
    let found = (node.as_str(), 0).to_socket_addrs().into_iter().flatten();
    found.map(|address| address.ip()).filter(|address| !address.is_loopback()).collect()
}

#[cfg(test)]
mod tests;
