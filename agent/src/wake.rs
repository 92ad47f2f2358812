//! A bell: many ring, one waits; ringing carries nothing and is never lost.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use host::hypervisor::Waker;

/// Rung to say that something may have changed.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    waits: Condvar,
}

impl Bell {
    /// Rings. Rings that nobody has heard yet are one.
    pub fn ring(&self) {
        *self.rung.lock().expect("nobody panics while holding the bell") = true;
        self.waits.notify_all();
    }

    /// Waits until it is rung, but no longer than `most`.
    pub fn wait(&self, most: Duration) {
        let rung = self.rung.lock().expect("nobody panics while holding the bell");
        let (mut rung, _) = self
            .waits
            .wait_timeout_while(rung, most, |rung| !*rung)
            .expect("nobody panics while holding the bell");
        *rung = false;
    }
}

impl Waker for Bell {
    fn wake(&self) {
        self.ring();
    }
}
