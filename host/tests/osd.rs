//! The laws of OSDs, on a machine in memory and on this one: loop devices on files, and a real Ceph in namespaces.
//!
//! Logical volumes are not among them: the machines that these tests run on map no devices. See `host/src/osd/linux/lvm.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "storage/lab.rs"]
#[expect(dead_code, reason = "the tests of storage use more of it")]
mod lab;
#[path = "osd/laws.rs"]
mod laws;
#[path = "osd/memory.rs"]
mod memory;
#[path = "osd/real.rs"]
mod real;
