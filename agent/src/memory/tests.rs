//! What is remembered of a step that ended.

use std::sync::Arc;

use host::clock::ManualClock;
use host::machine::Machine as _;
use host::memory::Machine;

use super::*;

#[test]
fn a_presence_counts_in_the_session_that_it_was_announced_in_however_late_its_end_is_noted() {
    let machine = Machine::new(Arc::new(ManualClock::default()));
    let presence = Presence { boot: machine.node().boot, restart_planned: None };
    let step = Step {
        resource: Resource::Node,
        action: Action::Announce(Box::new(presence.clone())),
        guards: Vec::new(),
        not_after: None,
        reason: Reason::SessionBegan,
    };
    let outcome = Ok(Done { announced_in: Some(7), ..Done::default() });
    let mut memory = Memory::default();
    let (at, took) = (BootTime(1), Span(0));
    memory.note(&Ended { step: Arc::new(step), outcome, at, took, ticket: 1 });
    assert_eq!(memory.announced, Some((7, presence)));
}
