//! Locks: read, write and exclusive, first come first served, with a term that guards later writes.
//!
//! A lock proves who may decide, never that another machine is dead.

use std::fmt::Debug;
use std::time::Duration;

use crate::{Guard, Key};

/// How a lock shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// With other readers.
    Read,
    /// With nobody who holds a read or write lock.
    Write,
    /// With nobody at all; like write, for a section that readers do not know of.
    Exclusive,
}

/// A wish for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRequest {
    /// What is locked.
    pub key: Key,
    /// How.
    pub kind: LockKind,
    /// Who asks; kept beside the lock for the operator.
    pub owner: String,
    /// How long to wait in line. Zero tries once.
    pub wait: Duration,
}

/// A lock that is held; dropping it releases it.
pub trait Lock: Send + Debug {
    /// Grows with each holder.
    fn term(&self) -> u64;
    /// The condition that this lock is still held: put it into every transaction made under the lock.
    fn guard(&self) -> Guard;
}
