//! What a node sees of the file system: the machine's own, with private folders where a node keeps its own things.
//!
//! `/etc` and `/var/lib` become folders of links into the machine's, which is mounted read-only beside them, with the
//! node's own entries among them; so nothing has to be created on the machine, not even a mount point.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

/// Folders of which the node has its own, with the machine's entries linked into them.
const LINKED: [(&str, &str); 2] = [("/etc", "etc"), ("/var/lib", "var-lib")];

/// Folders of which the node has its own, empty at first.
const OWN: [(&str, &str); 2] = [("/var/log", "var-log"), ("/var/cache", "var-cache")];

/// Devices that a node sees.
const DEVICES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun", "loop-control"];

const MACHINE: &str = "/run/machine";

/// Whether a node sees `/dev/kvm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// It does: the processor can.
    Kvm,
    /// It does not.
    None,
}

impl Acceleration {
    /// What this machine can. `/dev/kvm` is not even looked at where the processor has no virtualization: it may be
    /// there and hang.
    pub fn of_this_machine() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = processor.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let can = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
        let opens = || fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
        if can && opens() { Self::Kvm } else { Self::None }
    }
}

/// Makes the view of the node whose state is in `folder`, for the process that calls and its children. It must be the
/// first process of its namespaces.
///
/// # Errors
/// When a mount is refused; the mount point is part of the error.
pub fn enter(folder: &Path, acceleration: Acceleration) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("cannot detach from the mounts")?;
    fresh("proc", "/proc", "")?;
    fresh("sysfs", "/sys", "")?;
    fresh("tmpfs", "/run", "mode=755")?;
    for name in ["lock", "libvirt", "pvc", "netns"] {
        fs::create_dir_all(Path::new("/run").join(name))?;
    }
    // A power cut makes a new boot; the machine's own goes on.
    fs::copy("/proc/sys/kernel/random/uuid", "/run/boot_id")?;
    bind(Path::new("/run/boot_id"), Path::new("/proc/sys/kernel/random/boot_id"))?;
    devices(acceleration)?;
    for (path, name) in LINKED {
        let seen = PathBuf::from(format!("{MACHINE}{path}"));
        fs::create_dir_all(&seen)?;
        bind(Path::new(path), &seen)?;
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &seen, None::<&str>, read_only, None::<&str>)
            .with_context(|| format!("cannot make {} read-only", seen.display()))?;
        link_entries(&seen, &folder.join(name))?;
        bind(&folder.join(name), Path::new(path))?;
    }
    for (path, name) in OWN {
        fs::create_dir_all(folder.join(name))?;
        bind(&folder.join(name), Path::new(path))?;
    }
    Ok(())
}

/// Links each of the machine's entries into the node's folder, unless the node has its own of that name.
fn link_entries(machine: &Path, own: &Path) -> Result<()> {
    fs::create_dir_all(own)?;
    for entry in fs::read_dir(machine)? {
        let entry = entry?;
        let place = own.join(entry.file_name());
        if place.symlink_metadata().is_ok() {
            continue;
        }
        // A link is repeated as it is: it may be relative to the folder that it is in.
        let aim = if entry.file_type()?.is_symlink() { fs::read_link(entry.path())? } else { entry.path() };
        symlink(aim, &place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    Ok(())
}

fn devices(acceleration: Acceleration) -> Result<()> {
    let new = Path::new("/run/dev");
    fs::create_dir_all(new)?;
    fresh("tmpfs", "/run/dev", "mode=755")?;
    for name in ["net", "pts", "shm", "mapper"] {
        fs::create_dir_all(new.join(name))?;
    }
    let kvm = (acceleration == Acceleration::Kvm).then_some("kvm");
    for name in DEVICES.into_iter().chain(kvm) {
        let machine = Path::new("/dev").join(name);
        if machine.exists() {
            fs::write(new.join(name), "")?;
            bind(&machine, &new.join(name))?;
        }
    }
    fresh("devpts", "/run/dev/pts", "newinstance,ptmxmode=0666,mode=620")?;
    fresh("tmpfs", "/run/dev/shm", "mode=1777")?;
    for (aim, name) in [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("fd/0", "stdin"),
        ("fd/1", "stdout"),
        ("fd/2", "stderr"),
    ] {
        symlink(aim, new.join(name))?;
    }
    mount(Some(new), "/dev", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context("cannot move the new /dev")?;
    fs::remove_dir(new)?;
    Ok(())
}

fn fresh(kind: &str, place: &str, options: &str) -> Result<()> {
    let options = (!options.is_empty()).then_some(options);
    mount(Some(kind), place, Some(kind), MsFlags::empty(), options)
        .with_context(|| format!("cannot mount {kind} at {place}"))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(|| format!("cannot mount {} at {}", from.display(), to.display()))
}
