//! The loop around the decisions, and what a node serves.
//!
//! | module | what it does |
//! |---|---|
//! | [`agent`] | one pass: snapshot, look, decide, submit |
//! | [`sight`] | looks at the machine |
//! | [`memory`] | what is remembered between passes |
//! | [`perform`] | one step, performed |
//! | [`world`] | what steps act on |
//! | [`threads`] | the pool of production |
//! | [`wake`] | what wakes the loop |
//! | [`log`] | one line per step |
//!
//! Contains no decision: those are `logic`'s.

pub mod agent;
pub mod log;
pub mod memory;
pub mod perform;
pub mod sight;
pub mod threads;
pub mod wake;
pub mod world;
