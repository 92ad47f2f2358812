//! What ends long work: the session's end, and not that of the lease it was begun within.

use std::sync::Arc;

use host::clock::ManualClock;
use logic::time::{BootTime, Now, Span, WallTime};
use store::memory::Memory;

use super::*;

#[test]
fn work_goes_on_beyond_the_lease_it_was_begun_within_while_that_is_renewed() {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1_000), wall: WallTime(0) }));
    let time = Arc::clone(&clock);
    let store = Memory::new(Arc::new(move || time.now().boot)).open();
    let first = store.session().until.expect("there is a lease");
    let term = Term::begin(&store, &*clock);
    while clock.now().boot < first + Span::seconds(10) {
        clock.advance(Span::seconds(1));
        store.read_together(&[]).expect("it answers, and so renews");
        assert_eq!(term.holds(), Ok(()));
    }
    clock.advance(Span::seconds(60));
    assert_eq!(term.holds(), Err(Fault::LeaseOver), "nobody renewed it");
    store.read_together(&[]).expect("it answers");
    assert_eq!(term.holds(), Err(Fault::LeaseOver), "another session is another term");
}
