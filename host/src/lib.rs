//! One machine: small ports to its parts, their adapters, and one of each in memory.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hypervisor`] | the port to guests |
//! | [`migration`] | the port to moving guests between machines |
//! | [`libvirt`] | the guests at a real libvirt |
//! | [`machine`] | the port to the machine itself, and Linux |
//! | [`network`] | the port to the machine's own networks, the kernel's, and those of a machine in memory |
//! | [`clock`] | the port to the machine's two clocks, and the kernel's |
//! | [`identity`] | the node's key and certificates, and the authority that issues them |
//! | [`memory`] | a machine in memory, with faults |
//! | [`osd`] | the ports to OSDs: a machine's devices, and the storage's members |
//! | [`storage`] | the port to pools, volumes and snapshots; Ceph, a directory, and one in memory |
//! | [`tail`] | the end of a log file, and what follows |
//! | [`command`] | the one place that starts a process |
//! | [`heap`] | how threads share the heap |
//! | [`signals`] | what the machine asks of a daemon by a signal |
//! | [`notify`] | what systemd is told |
//! | [`logfile`] | a log file that can be opened anew |
//!
//! Contains no decision. It alone starts processes or uses `unsafe`.

mod calls;
pub mod clock;
pub mod command;
mod device;
pub mod heap;
pub mod hypervisor;
pub mod identity;
pub mod libvirt;
pub mod logfile;
pub mod machine;
pub mod memory;
pub mod migration;
pub mod network;
pub mod notify;
pub mod osd;
pub mod signals;
pub mod storage;
pub mod tail;
