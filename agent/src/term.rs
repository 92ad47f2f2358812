//! The session with the store that long work was begun in: while it holds, nobody has taken this process for dead.

use host::clock::Clock;
use store::Store;

use crate::world::Fault;

/// From a beginning to the end of the session. A lease that is renewed meanwhile does not end it.
#[derive(Debug)]
pub(crate) struct Term<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    epoch: u64,
}

impl<'a> Term<'a> {
    /// One that begins now.
    pub(crate) fn begin(store: &'a dyn Store, clock: &'a dyn Clock) -> Self {
        Self { store, clock, epoch: store.session().epoch }
    }

    /// Whether the session is still that in which it was begun.
    ///
    /// # Errors
    /// [`Fault::LeaseOver`] where it is not.
    pub(crate) fn holds(&self) -> Result<(), Fault> {
        let session = self.store.session();
        let is_over = session.until.is_some_and(|until| self.clock.now().boot >= until);
        if is_over || session.epoch != self.epoch { Err(Fault::LeaseOver) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
