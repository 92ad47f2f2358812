//! The developers' commands: a PVC on this machine, every test, the measurements, and the walls around the code.
//!
//! Nothing here is shipped. The pieces of [`lab`] know machines made of namespaces and not how many there are; the
//! commands above them say which to make.

pub mod bench;
pub mod command;
pub mod elf;
pub mod http;
pub mod lab;
pub mod mutations;
pub mod packages;
pub mod rack;
pub mod say;
pub mod simulate;
pub mod test;
pub mod tree;
pub mod up;
