//! One machine: small ports to its parts, their adapters, and one of each in memory.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hypervisor`] | the port to guests |
//! | [`machine`] | the port to the machine itself, and Linux |
//! | [`clock`] | the port to the machine's two clocks, and the kernel's |
//! | [`memory`] | a machine in memory, with faults |
//!
//! Contains no decision. It alone starts processes or uses `unsafe`.

pub mod clock;
mod device;
pub mod hypervisor;
pub mod machine;
pub mod memory;
