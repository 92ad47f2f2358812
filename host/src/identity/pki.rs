//! The identity laid out where libvirt and QEMU look for it, so that migrations are encrypted without a setting.
//!
//! They are copies and not links: QEMU runs as a user of its own, who may read its copy of the key and nothing of ours,
//! and Debian's AppArmor profile lets it read there and nowhere else.

use std::path::Path;
use std::time::Duration;

use nix::unistd::Group;

use super::file::{self, Readers};
use super::{Error, Identity, Outcome};
use crate::command::{self, Finished};

/// Where libvirt and QEMU look unless they are configured otherwise.
pub const ROOT: &str = "/etc/pki";

/// The groups that QEMU may run as: Debian's, and that of others.
const QEMU_GROUPS: [&str; 2] = ["libvirt-qemu", "qemu"];

/// How long libvirt may take to read its certificates.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);

/// Lays an identity out under `root`, which is [`ROOT`] but in tests. After [`Outcome::Changed`] a running libvirt has
/// to be told, with [`reload`]; QEMU reads the files at each migration.
///
/// # Errors
/// [`Error::OtherAuthority`] when certificates of somebody else's are there; [`Error::Unwritable`].
pub fn install(identity: &Identity, root: &Path) -> Result<Outcome, Error> {
    let authority = root.join("CA/cacert.pem");
    if let Ok(there) = file::read(&authority)
        && there != identity.authority
    {
        return Err(Error::OtherAuthority { path: authority });
    }
    for folder in ["CA", "libvirt", "qemu"] {
        file::make_folder(&root.join(folder), 0o755)?;
    }
    file::make_folder(&root.join("libvirt/private"), 0o700)?;
    let qemu = QEMU_GROUPS.iter().find_map(|name| Group::from_name(name).ok().flatten());
    let qemu = qemu.map_or(Readers::Owner, |group| Readers::Group(group.gid));
    let (ours, chain, key) = (&identity.authority, &identity.certificate, &identity.key);
    let files: [(&str, &[u8], Readers); 10] = [
        ("libvirt/private/serverkey.pem", key, Readers::Owner),
        ("libvirt/private/clientkey.pem", key, Readers::Owner),
        ("libvirt/servercert.pem", chain, Readers::All),
        ("libvirt/clientcert.pem", chain, Readers::All),
        ("qemu/server-key.pem", key, qemu),
        ("qemu/client-key.pem", key, qemu),
        ("qemu/server-cert.pem", chain, Readers::All),
        ("qemu/client-cert.pem", chain, Readers::All),
        ("qemu/ca-cert.pem", ours, Readers::All),
        ("CA/cacert.pem", ours, Readers::All),
    ];
    let mut outcome = Outcome::Unchanged;
    for (path, bytes, readers) in files {
        outcome = outcome.and(file::write(&root.join(path), bytes, readers)?);
    }
    Ok(outcome)
}

/// Has a running libvirt read its certificates anew. It fails where libvirt does not run or does not listen for others,
/// and then there is nothing to be told: it reads them when it starts to.
///
/// # Errors
/// [`command::Error`] when `virt-admin` (Debian's libvirt-clients) is missing or hangs.
pub fn reload() -> Result<Finished, command::Error> {
    command::run("virt-admin", &["server-update-tls", "libvirtd"], RELOAD_LIMIT)
}
