//! The Debian packages that building, running and testing PVC need, and their installation.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, program, run};

/// Every package, and what it is needed for. The list of the whole project: nothing else names a package.
pub const PACKAGES: [(&str, &str); 32] = [
    ("git", "the tests look at the tracked files"),
    ("systemd", "its systemd-analyze checks the units; nothing of it is run"),
    ("ca-certificates", "crates and packages come over HTTPS"),
    ("gcc", "some crates contain C"),
    ("libc6-dev", "every program is linked with it"),
    ("make", "some crates contain C"),
    ("pkg-config", "finds libvirt and SQLite for the build"),
    ("libvirt-dev", "the node daemon speaks to libvirt"),
    ("libsqlite3-dev", "the store of one node"),
    ("libvirt-daemon", "runs the guests"),
    ("libvirt-daemon-driver-qemu", "runs the guests"),
    ("libvirt-clients", "the tests look at guests through virsh"),
    ("qemu-system-x86", "runs the guests"),
    ("busybox-static", "all that the small guest consists of"),
    ("tini", "the first process of a node made of namespaces"),
    ("iproute2", "sets up the network of a node made of namespaces"),
    ("nftables", "cuts the way between two nodes of the lab"),
    ("iputils-ping", "counts what is lost while something moves"),
    ("openipmi", "plays the machines' power controllers"),
    ("ipmitool", "asks the machines' power controllers"),
    ("qemu-utils", "the tests write to volumes past PVC, and images are converted"),
    ("qemu-block-extra", "QEMU reaches volumes in Ceph"),
    ("librados2", "the node daemon speaks to Ceph"),
    ("librbd1", "the node daemon speaks to Ceph"),
    ("fio", "measures the storage"),
    ("ceph-common", "the tests look at Ceph past PVC"),
    ("ceph-mon", "the tests' own Ceph"),
    ("ceph-mgr", "the tests' own Ceph"),
    ("ceph-osd", "the tests' own Ceph"),
    ("libzookeeper-java", "the store of several nodes"),
    ("libslf4j-java", "without it ZooKeeper says nothing"),
    ("openjdk-17-jre-headless", "runs ZooKeeper"),
];

/// The metapackage of the kernel that the small guest boots. It is downloaded and unpacked, not installed.
pub const GUEST_KERNEL: &str = "linux-image-cloud-amd64";

const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_TEXT: &str =
    "#!/bin/sh\n# Made by cargo xtask while it installs packages: no service is started.\nexit 101\n";

/// Programs and the package that each is in, for messages.
const PROGRAMS: [(&str, &str); 17] = [
    ("git", "git"),
    ("systemd-analyze", "systemd"),
    ("tini", "tini"),
    ("virsh", "libvirt-clients"),
    ("virtlogd", "libvirt-daemon"),
    ("libvirtd", "libvirt-daemon"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("java", "openjdk-17-jre-headless"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("ipmi_sim", "openipmi"),
    ("ipmitool", "ipmitool"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("apt-get", "apt"),
];

/// What to do when a program is missing.
pub fn remedy(program: &str) -> String {
    match PROGRAMS.iter().find(|(name, _)| *name == program) {
        Some((_, package)) => format!("it is in the Debian package {package}"),
        None => "is it installed?".into(),
    }
}

/// Installs what is missing, without starting any service, and tells what that was.
///
/// # Errors
/// When packages are missing and we are not root, or when `apt-get` fails.
pub fn install() -> Result<String> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok("nothing was missing".into());
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("these packages are missing and only root can install them: {}", missing.join(" "));
    }
    let _policy = NoServices::begin()?;
    run(&mut apt(&["-qq", "update"]))?;
    let mut install = apt(&["-qq", "-y", "--no-install-recommends", "install"]);
    run(install.args(&missing))?;
    Ok(format!("installed {}", missing.join(" ")))
}

/// The package manager, asking nothing.
pub fn apt(words: &[&str]) -> Command {
    let mut command = program("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "Dpkg::Use-Pty=0"]).args(words);
    command
}

fn missing() -> Result<Vec<&'static str>> {
    let known = output(program("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]))?;
    let installed: Vec<&str> =
        known.lines().filter_map(|line| line.strip_prefix("ii ")).map(str::trim).collect();
    Ok(PACKAGES.iter().map(|(name, _)| *name).filter(|name| !installed.contains(name)).collect())
}

/// Debian's own way to say that installing must not start services, for as long as this lives.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = Path::new(POLICY);
        let left_over = fs::read_to_string(path).is_ok_and(|text| text == POLICY_TEXT);
        if path.exists() && !left_over {
            return Ok(Self { ours: false });
        }
        fs::write(path, POLICY_TEXT).with_context(|| format!("cannot write {POLICY}"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _gone = fs::remove_file(POLICY);
        }
    }
}
