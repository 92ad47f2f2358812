//! A cluster in memory, played by scripts and by seeds: the production loop on simulated machines, in virtual time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | what a script can order, as text and as a value |
//! | [`scenario`] | a folder with a script, what must be seen, and the expected log |
//! | [`swarm`] | scripts made of seeds, and what they add up to |
//! | [`world`] | machines, daemons and the operator, and the order in which things happen |
//! | [`clock`] | what the clocks of one machine show |
//! | [`daemon`] | one process of PVC's in virtual time |
//! | [`operator`] | who asks, as the API would |
//! | [`invariants`] | what must never happen, and what must come true in the end |
//! | [`counts`] | how often each fault, step and state was met |
//!
//! Nothing here decides for PVC: the daemons are `agent`'s, over the stores and machines in memory.

pub mod clock;
pub mod command;
pub mod counts;
pub mod daemon;
pub mod invariants;
pub mod operator;
pub mod scenario;
pub mod swarm;
pub mod world;
