//! Looks past libvirt whether a guest's QEMU process is there: libvirt may not notice its end.
//!
//! libvirt hears of the ends of all guests on one thread. As long as that one waits for a guest that hangs, the others stay
//! "running" whatever becomes of them.
//!
//! The witness is the file that libvirt keeps the process's number in, one for each guest that runs. The process holds a
//! lock on it from its begin to its end, so the kernel tells whether it is there: whatever number it has, and however often
//! that was given to another. libvirt takes an older file away before a start.
//!
//! | the lock | the process of that number | the guest's process |
//! |---|---|---|
//! | is held | anything | is there |
//! | is free | is not there | is gone |
//! | is free | is there | not known: it may be another, or of a libvirt that takes no lock |
//! | the file cannot be read, or says no number | | not known |
//!
//! Where the number is another process's by now libvirt must not be asked to end the guest: it would kill that process.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

use crate::hypervisor::Witness;

/// Where libvirt's sockets are, below the root of its machine.
const SOCKETS: &str = "run/libvirt";

/// A number of a process is no longer; more is not read.
const NUMBER_BYTES_MAX: u64 = 32;

/// Where the processes of a libvirt's guests are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Processes {
    /// The folder with a file for each guest.
    files: PathBuf,
    /// The folder with a folder for each process of libvirt's machine.
    all: PathBuf,
}

impl Processes {
    /// Those of the libvirt of this address; `None` for one that is not on this machine, or whose files are elsewhere.
    pub(super) fn of(uri: &str) -> Option<Self> {
        let root = root_of(uri)?;
        Some(Self { files: root.join(SOCKETS).join("qemu"), all: root.join("proc") })
    }

    /// What is proven of the process of the guest of this name.
    pub(super) fn look(&self, name: &str) -> Witness {
        self.read(name).unwrap_or(Witness::Unknown)
    }

    /// `None` for what cannot be read.
    fn read(&self, name: &str) -> Option<Witness> {
        let mut file = File::open(self.files.join(format!("{name}.pid"))).ok()?;
        if is_locked(&file)? {
            return Some(Witness::There);
        }
        let mut text = String::new();
        Read::by_ref(&mut file).take(NUMBER_BYTES_MAX).read_to_string(&mut text).ok()?;
        let number: u32 = text.trim().parse().ok()?;
        let is_absent = is_absent(&self.all.join(number.to_string()))?;
        // Who may not see the processes of others does not see the first one either.
        let sees_others = !is_absent_or_hidden(&self.all.join("1"));
        (is_absent && sees_others).then_some(Witness::Gone)
    }
}

/// Whether somebody else holds a lock on the file; `None` where that is not told.
fn is_locked(file: &File) -> Option<bool> {
    let mut lock = nix::libc::flock {
        l_type: i16::try_from(nix::libc::F_WRLCK).expect("a small constant"),
        l_whence: i16::try_from(nix::libc::SEEK_SET).expect("a small constant"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    Some(i32::from(lock.l_type) != nix::libc::F_UNLCK)
}

/// Whether nothing is there; `None` where that is not told.
fn is_absent(path: &Path) -> Option<bool> {
    match fs::metadata(path) {
        Ok(_) => Some(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(true),
        Err(_) => None,
    }
}

fn is_absent_or_hidden(path: &Path) -> bool {
    is_absent(path) != Some(false)
}

/// The root of the machine that the libvirt of this address runs on, as this process sees it.
fn root_of(uri: &str) -> Option<PathBuf> {
    if uri == "qemu:///system" {
        return Some(PathBuf::from("/"));
    }
    let socket = uri.strip_prefix("qemu+unix:///system?socket=")?;
    let root = Path::new(socket).parent()?.to_str()?.strip_suffix(SOCKETS)?;
    root.starts_with('/').then(|| PathBuf::from(root))
}

#[cfg(test)]
mod tests;
