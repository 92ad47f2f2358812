//! The port to the machine itself: what it is, and how loaded it is; read from `/proc`, without a process.

use std::fmt::Debug;
use std::fs;
use std::io;

use logic::node::traffic::CpuTime;
use logic::node::{BootId, Node, Role};
use logic::observed::Load;
use uuid::Uuid;

/// The machine a daemon runs on.
pub trait Machine: Send + Sync + Debug {
    /// What it is; the same for as long as it is not rebooted.
    fn node(&self) -> Node;

    /// How loaded it is now.
    fn load(&self) -> Load;

    /// How long its processors have worked since it started.
    fn cpu_time(&self) -> CpuTime;
}

/// Why the machine could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the kernel's is not there or not as it should be.
    #[error("{path} could not be read: {why}")]
    Unreadable {
        /// Which.
        path: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The kernel did not name itself.
    #[error("the kernel did not say its name and release")]
    Nameless(#[source] nix::Error),
}

/// This machine, a Linux one.
#[derive(Clone, Debug)]
pub struct Linux {
    node: Node,
}

impl Linux {
    /// Reads what this machine is. `version` is PVC's own, `role` its part in the cluster.
    ///
    /// # Errors
    /// [`Error`] names the file of the kernel's that is missing.
    pub fn read(version: &str, role: Role) -> Result<Self, Error> {
        let name = nix::sys::utsname::uname().map_err(Error::Nameless)?;
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let node = Node {
            boot: boot_id()?,
            role,
            version: version.to_owned(),
            cpu_count: cpu_count(),
            cpu_model: cpu_model(&read("/proc/cpuinfo").unwrap_or_default()),
            memory_total_mib: memory_mib(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default(),
            kernel: text(name.release()),
            // What `uname -o` prints on every system with GNU's C library, without asking anyone.
            os: "GNU/Linux".into(),
            arch: text(name.machine()),
            // What the storage sees of it is told later.
            storage_addresses: Default::default(),
        };
        Ok(Self { node })
    }
}

impl Machine for Linux {
    fn node(&self) -> Node {
        self.node.clone()
    }

    fn load(&self) -> Load {
        present_load()
    }

    fn cpu_time(&self) -> CpuTime {
        present_cpu_time()
    }
}

/// How loaded this machine is now. Zeros where the kernel does not say: one whose load is unknown still sends its keepalive.
pub(crate) fn present_load() -> Load {
    let meminfo = read("/proc/meminfo").unwrap_or_default();
    let total = memory_mib(&meminfo, "MemTotal").unwrap_or_default();
    let free = memory_mib(&meminfo, "MemAvailable").unwrap_or_default();
    let loadavg = read("/proc/loadavg").unwrap_or_default();
    let load = loadavg.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default();
    Load { load, memory_used_mib: total.saturating_sub(free), memory_free_mib: free }
}

/// How long this machine's processors have worked. Zeros where the kernel does not say.
pub(crate) fn present_cpu_time() -> CpuTime {
    cpu_time(&read("/proc/stat").unwrap_or_default())
}

/// The short name of this host: up to the first dot.
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().split('.').next().unwrap_or_default().to_owned()
}

/// Which accelerator guests can use here, as libvirt names it: `kvm` where the CPU has it and `/dev/kvm` opens, else
/// `qemu`.
pub fn accelerator() -> &'static str {
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    accelerator_by(&cpuinfo, || fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok())
}

/// The device is not even tried where the CPU has no virtualisation: opening it can hang there.
fn accelerator_by(cpuinfo: &str, opens: impl FnOnce() -> bool) -> &'static str {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let virtualises = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
    if virtualises && opens() { "kvm" } else { "qemu" }
}

/// This boot's id.
fn boot_id() -> Result<BootId, Error> {
    let path = "/proc/sys/kernel/random/boot_id";
    let id = Uuid::parse_str(read(path)?.trim());
    id.map(BootId).map_err(|error| Error::Unreadable { path, why: error.to_string() })
}

/// Logical CPUs that this process may use; at least one.
pub(crate) fn cpu_count() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).expect("no machine has thousands of millions of CPUs")
}

/// What the kernel calls the processors: the first one's name, which is that of all.
fn cpu_model(cpuinfo: &str) -> String {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let name = fields.find(|(key, _)| key.trim() == "model name");
    name.map_or_else(String::new, |(_, name)| name.trim().to_owned())
}

/// The first line of `/proc/stat`: ticks of all processors by what they did. The fourth and the fifth are idleness; the
/// ninth and the tenth, those of guests, are contained in the first two.
fn cpu_time(stat: &str) -> CpuTime {
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix("cpu ")) else {
        return CpuTime::default();
    };
    let ticks: Vec<u64> = line.split_whitespace().take(8).filter_map(|tick| tick.parse().ok()).collect();
    let total = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    CpuTime { busy: total - idle, total }
}

/// A line of `/proc/meminfo`, which counts KiB, in MiB.
fn memory_mib(meminfo: &str, field: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn read(path: &'static str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error: io::Error| Error::Unreadable { path, why: error.to_string() })
}

#[cfg(test)]
mod tests;
