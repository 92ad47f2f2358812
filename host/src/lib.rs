//! One machine: small ports to its parts, their adapters, and one of each in memory.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hypervisor`] | the port to guests |
//! | [`clock`] | the port to the machine's two clocks |
//!
//! Contains no decision. It alone starts processes or uses `unsafe`.

pub mod clock;
pub mod hypervisor;
