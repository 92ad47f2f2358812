//! Machines made of namespaces: nodes with processes, mounts, a network and a host name of their own, and a small guest.
//!
//! The machine that this runs on is not touched: its libvirt, bridges, firewall and folders stay as they are. Whatever
//! is started is remembered with its process id and start time, so that nothing else is ever ended.

pub mod cpio;
pub mod daemons;
pub mod forward;
pub mod guest;
pub mod libvirt;
pub mod node;
pub mod patience;
pub mod process;
pub mod rootfs;
pub mod toucher;
pub mod zookeeper;
