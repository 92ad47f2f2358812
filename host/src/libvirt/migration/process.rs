//! Whether a guest's process lives. libvirt looks five times a second whether the process that it ends after a move is
//! gone, and all that time the guest would stand still on the target; so the process itself is watched.

use std::path::PathBuf;

use logic::id::VmId;

/// Where the guests' processes are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// The folder of libvirt's with a file for each guest that names its process.
    pub pid_files: PathBuf,
    /// The kernel's list of processes, with the numbers of those files.
    pub list: PathBuf,
}

impl Default for Processes {
    /// libvirt's own folder, and this machine's processes.
    fn default() -> Self {
        Self { pid_files: "/run/libvirt/qemu".into(), list: "/proc".into() }
    }
}

impl Processes {
    /// The process of a guest that runs; `None` where it cannot be told for certain.
    pub(super) fn find(&self, name: &str, vm: VmId) -> Option<Process> {
        let pid: u32 =
            std::fs::read_to_string(self.pid_files.join(format!("{name}.pid"))).ok()?.trim().parse().ok()?;
        let process =
            Process { command_line: self.list.join(pid.to_string()).join("cmdline"), mark: vm.to_string() };
        process.is_seen().ok()?.then_some(process)
    }
}

/// A guest's process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    command_line: PathBuf,
    /// What no other process's command line has in it.
    mark: String,
}

impl Process {
    /// Whether it is certain that it does not live any more. One that has ended and was not buried yet has no command
    /// line any more; another process with its number has another one.
    pub(super) fn is_gone(&self) -> bool {
        match self.is_seen() {
            Ok(seen) => !seen,
            Err(error) => matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)),
        }
    }

    fn is_seen(&self) -> std::io::Result<bool> {
        let line = std::fs::read(&self.command_line)?;
        let mark = self.mark.as_bytes();
        Ok(line.windows(mark.len()).any(|part| part == mark))
    }
}

#[cfg(test)]
mod tests;
