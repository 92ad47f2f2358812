//! Records to what travels over HTTP: pure functions of the snapshot and the nodes' latest statistics.

pub mod benchmark;
pub mod calendar;
pub mod metrics;
pub mod node;
pub mod osd;
pub mod plan;
pub mod shape;
pub mod status;
pub mod storage;
pub mod task;
pub mod vm;
