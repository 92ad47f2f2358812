//! How far the transfers of this process are: what moves tells it here, as often as it likes, and the passes read it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use logic::observed::Moved;
use logic::plan::Resource;

/// The transfers that are under way, by what they are for.
#[derive(Debug, Default)]
pub struct Transfers {
    moved: Mutex<BTreeMap<Resource, Moved>>,
}

impl Transfers {
    /// How far each is.
    pub fn latest(&self) -> BTreeMap<Resource, Moved> {
        self.lock().clone()
    }

    /// One has come so far.
    pub fn tell(&self, resource: &Resource, moved: Moved) {
        self.lock().insert(resource.clone(), moved);
    }

    /// One is over.
    pub fn end(&self, resource: &Resource) {
        self.lock().remove(resource);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Resource, Moved>> {
        self.moved.lock().expect("nobody panics while holding the transfers")
    }
}
