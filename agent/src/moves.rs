//! Looks at the guests that are on their way, more often than at the rest: each on a thread of its own, so that one
//! whose look hangs holds up no other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use logic::id::{NodeName, VmId};
use logic::limits::{MOVES_LOOK_INTERVAL, PASS_INTERVAL_MAX};
use logic::vm::migrate::{Watched, watched};
use store::mirror::Mirror;

use crate::sight::Sight;
use crate::threads::Bells;

/// Looks whenever something woke it, and several times a second while a guest is on its way.
#[derive(Debug)]
pub struct Lookout {
    name: NodeName,
    mirror: Arc<Mirror>,
    sight: Arc<Sight>,
    bells: Bells,
    looks: Mutex<Looks>,
}

/// The looks that go on.
#[derive(Debug, Default)]
struct Looks {
    under_way: BTreeSet<VmId>,
    /// Those that were asked for again meanwhile.
    again: BTreeSet<VmId>,
}

impl Lookout {
    /// One that looks when its bell is rung, at those who are on their way by the records, and rings for a pass.
    pub fn new(name: NodeName, mirror: Arc<Mirror>, sight: Arc<Sight>, bells: &Bells) -> Self {
        Self { name, mirror, sight, bells: bells.clone(), looks: Mutex::default() }
    }

    /// Looks from now on, on a thread of its own.
    ///
    /// # Panics
    /// When the process has no thread left.
    pub fn keep(self) {
        let this = Arc::new(self);
        let look = move || {
            loop {
                let most = if this.round() { MOVES_LOOK_INTERVAL } else { PASS_INTERVAL_MAX };
                this.bells.moves.wait(Duration::from_millis(most.0));
            }
        };
        let thread = thread::Builder::new().name("moves".into()).spawn(look);
        thread.expect("a daemon that starts has threads left");
    }

    /// Begins a look at each guest that is on its way. False when there is none.
    fn round(self: &Arc<Self>) -> bool {
        let Some(snapshot) = self.mirror.snapshot() else { return false };
        let watched = watched(&snapshot.cluster, &self.name, &self.sight.latest().guests);
        self.sight.keep_moves(&watched);
        watched.iter().for_each(|one| self.begin(*one));
        !watched.is_empty()
    }

    fn begin(self: &Arc<Self>, watched: Watched) {
        let mut looks = self.looks();
        if !looks.under_way.insert(watched.vm) {
            looks.again.insert(watched.vm);
            return;
        }
        drop(looks);
        let this = Arc::clone(self);
        let look = move || {
            this.sight.look_at_move(&watched);
            let mut looks = this.looks();
            looks.under_way.remove(&watched.vm);
            let again = looks.again.remove(&watched.vm);
            drop(looks);
            this.bells.passes.ring();
            if again {
                this.bells.moves.ring();
            }
        };
        if thread::Builder::new().name("move".into()).spawn(look).is_err() {
            tracing::warn!(vm = %watched.vm, "no thread is left to look at it");
            self.looks().under_way.remove(&watched.vm);
        }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().expect("nobody panics while holding the looks")
    }
}
