//! The loop around the decisions, and what a node serves.
//!
//! | module | what it does |
//! |---|---|
//! | [`agent`] | one pass: snapshot, look, decide, submit |
//! | [`sight`] | looks at the guests |
//! | [`gauge`] | reads how busy the machine is |
//! | [`measure`] | measures the storage |
//! | [`moves`] | looks at the guests that are on their way |
//! | [`memory`] | what is remembered between passes |
//! | [`perform`] | one step, performed |
//! | `course` | whether a trial of a benchmark goes on |
//! | [`networks`] | the machine's networks, before there is a store |
//! | [`world`] | what steps act on |
//! | [`threads`] | the pool of production |
//! | [`transfers`] | how far transfers are |
//! | [`uploads`] | takes in what is brought for volumes |
//! | [`wake`] | what wakes the loop |
//! | [`log`] | one line per step |
//! | [`output`] | where those lines go |
//! | [`serve`] | what the node serves on its link |
//! | [`door`] | the same for other machines, over TLS, and the identity that is shown there |
//! | [`identity`] | `pvcnoded identity`: authority and certificates, for an operator |
//! | [`arguments`], [`start`] | the programs `pvcnoded` and `pvcworkerd` |
//!
//! Contains no decision: those are `logic`'s.

pub mod agent;
pub mod arguments;
mod course;
pub mod door;
pub mod gauge;
pub mod identity;
pub mod log;
pub mod measure;
pub mod memory;
pub mod moves;
pub mod networks;
pub mod output;
pub mod perform;
pub mod serve;
pub mod sight;
pub mod start;
mod term;
pub mod threads;
pub mod transfers;
pub mod uploads;
pub mod volumes;
pub mod wake;
pub mod world;
