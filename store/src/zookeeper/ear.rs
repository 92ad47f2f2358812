//! Tells the sinks of this process what ZooKeeper tells of changes.

use std::sync::{Arc, Mutex, Weak};

use crate::{Key, Sink};

/// The sinks, each with the key it listens at. A sink that nobody holds any more is forgotten.
#[derive(Debug, Default)]
pub(super) struct Sinks(Mutex<Vec<(Key, Weak<dyn Sink>)>>);

impl Sinks {
    pub(super) fn add(&self, key: &Key, sink: &Arc<dyn Sink>) {
        self.0.lock().expect("no sink panics").push((key.clone(), Arc::downgrade(sink)));
    }

    pub(super) fn changed(&self, key: &Key) {
        for (root, sink) in self.living() {
            if root.covers(key) {
                sink.changed(std::slice::from_ref(key));
            }
        }
    }

    pub(super) fn doubt(&self) {
        for (_, sink) in self.living() {
            sink.doubt();
        }
    }

    /// The sinks are called without the lock, so that one may add another.
    fn living(&self) -> Vec<(Key, Arc<dyn Sink>)> {
        let mut sinks = self.0.lock().expect("no sink panics");
        sinks.retain(|(_, sink)| sink.strong_count() > 0);
        sinks.iter().filter_map(|(key, sink)| Some((key.clone(), sink.upgrade()?))).collect()
    }
}

/// Rings when something below a key may have changed, for those who wait here.
#[derive(Debug, Default)]
pub(super) struct Bell(pub(super) tokio::sync::Notify);

impl Sink for Bell {
    fn changed(&self, _keys: &[Key]) {
        self.0.notify_one();
    }

    fn doubt(&self) {
        self.0.notify_one();
    }
}
