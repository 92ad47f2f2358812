//! A lock of the backend in memory: held until it is dropped, or its session ends.

use logic::record::{Expect, Version};

use super::MemoryStore;
use crate::Key;
use crate::lock::Lock;
use crate::transaction::Guard;

#[derive(Debug)]
pub(super) struct MemoryLock {
    pub(super) store: MemoryStore,
    pub(super) key: Key,
    pub(super) mark: Key,
    pub(super) version: Version,
    pub(super) term: u64,
    pub(super) session: u64,
}

impl Lock for MemoryLock {
    fn term(&self) -> u64 {
        self.term
    }

    fn guard(&self) -> Guard {
        Guard { key: self.mark.clone(), expect: Expect::Version(self.version) }
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.store.memory.lock();
        state.remove(&self.mark);
        if let Some(holders) = state.locks.get_mut(&self.key) {
            holders.remove(&self.session);
        }
    }
}
