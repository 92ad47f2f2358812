//! The laws that every way of moving guests keeps.

use host::hypervisor::{Activity, Error, Guest, Witness};
use host::migration::{Course, Departure, Method, Standing};

use crate::guest::WEB;
use crate::sides::{
    Both, Event, FAST, GENTLE, INCARNATION, SLOW, STEADY, Side, Sides, departure, start, wait,
};

/// The words of a refusal.
fn refusal(outcome: Result<(), Error>) -> String {
    match outcome {
        Err(Error::Refused { why, .. }) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

/// After a failure: the guest goes on where it was, nothing is left on the target, and it can still be moved.
fn assert_nothing_happened(sides: &dyn Sides, both: &Both) {
    both.wait_for(sides, Side::Source, Standing::Running);
    both.wait_until_gone(sides, Side::Target);
    sides.assert_goes_on(Side::Source);
    move_it(sides, both);
}

/// Moves the guest without any disturbance.
fn move_it(sides: &dyn Sides, both: &Both) {
    both.source.migration.begin(&departure(sides, Method::PreCopy, FAST)).unwrap();
    both.wait_until_moved(sides);
    both.wait_until_gone(sides, Side::Source);
    both.wait_for(sides, Side::Target, Standing::Paused);
    both.target.migration.release(WEB.vm, INCARNATION).unwrap();
    sides.assert_goes_on(Side::Target);
}

/// Begins a slow move, and waits until the target receives.
fn begin_slowly(sides: &dyn Sides, both: &Both, bandwidth_mib: u64) {
    both.source.migration.begin(&departure(sides, Method::PreCopy, bandwidth_mib)).unwrap();
    both.wait_for(sides, Side::Target, Standing::Incoming);
    wait(sides, "it is under way", || both.is_under_way());
}

pub(crate) fn a_guest_arrives_paused_and_whole_and_goes_on_where_it_is_released(sides: &dyn Sides) {
    let both = Both::start(sides);
    let (source, target) = (&*both.source.migration, &*both.target.migration);
    source.begin(&departure(sides, Method::PreCopy, GENTLE)).unwrap();
    source.begin(&departure(sides, Method::PreCopy, GENTLE)).expect("a move that was begun is done");
    assert_eq!(both.standing(Side::Source), Some(Standing::Leaving));
    both.wait_for(sides, Side::Target, Standing::Incoming);
    assert_eq!(refusal(target.release(WEB.vm, INCARNATION)), "it is not whole");
    assert_eq!(refusal(source.discard(WEB.vm, INCARNATION)), "its move is going on");
    let mut sent_mib = 0;
    wait(sides, "some of it is sent", || match source.course(WEB.vm, INCARNATION) {
        Ok(Course::UnderWay(progress)) => {
            assert!(progress.memory_sent_mib >= sent_mib, "{progress:?} after {sent_mib}");
            sent_mib = progress.memory_sent_mib;
            sent_mib > 4 && progress.memory_total_mib >= 24 && progress.pass == 1
        }
        other => panic!("it is over too early: {other:?}"),
    });
    both.wait_until_moved(sides);
    both.wait_until_gone(sides, Side::Source);
    assert_eq!(both.standing(Side::Target), Some(Standing::Paused));
    let paused = Guest {
        vm: WEB.vm,
        name: WEB.name.into(),
        activity: Activity::Paused,
        incarnation: Some(INCARNATION),
        process: Witness::There,
    };
    assert_eq!(both.target.hypervisor.guests(), Ok(vec![paused.clone()]));
    for _ in 0..2 {
        target.release(WEB.vm, INCARNATION).unwrap();
        assert_eq!(both.standing(Side::Target), Some(Standing::Running));
    }
    let running = Guest { activity: Activity::Running, ..paused };
    assert_eq!(both.target.hypervisor.guests(), Ok(vec![running]));
    sides.assert_goes_on(Side::Target);
    assert_eq!(source.course(WEB.vm, INCARNATION), Ok(Course::Moved));
    assert_eq!(target.course(WEB.vm, INCARNATION), Ok(Course::Unknown), "it has come, and goes nowhere");
}

pub(crate) fn what_is_not_here_or_does_not_run_is_not_touched(sides: &dyn Sides) {
    let both = Both::start(sides);
    let (source, target) = (&*both.source.migration, &*both.target.migration);
    let other = INCARNATION + 1;
    let way = departure(sides, Method::PreCopy, FAST);
    assert_eq!(refusal(target.begin(&way)), "incarnation 7 is not here");
    assert_eq!(
        refusal(source.begin(&Departure { incarnation: other, ..way.clone() })),
        "incarnation 8 is not here"
    );
    for migration in [source, target] {
        assert_eq!(migration.course(WEB.vm, other), Ok(Course::Unknown));
        migration.abort(WEB.vm, other).unwrap();
        migration.discard(WEB.vm, other).unwrap();
        assert_eq!(refusal(migration.release(WEB.vm, other)), "incarnation 8 is not here");
    }
    source.abort(WEB.vm, INCARNATION).expect("there is nothing to be aborted");
    source.release(WEB.vm, INCARNATION).expect("it runs");
    assert_eq!(refusal(source.discard(WEB.vm, INCARNATION)), "it runs");
    assert!(source.switch_to_post_copy(WEB.vm, INCARNATION).is_err());
    assert_eq!(target.look(WEB.vm), Ok(None));
    assert_eq!(both.standing(Side::Source), Some(Standing::Running));
    sides.assert_goes_on(Side::Source);
}

pub(crate) fn a_target_that_has_the_vm_already_refuses_it(sides: &dyn Sides) {
    let both = Both::start(sides);
    let mut other = start(sides, Side::Target);
    other.xml = other.xml.replace("incarnation='7'", "incarnation='6'");
    other.incarnation = 6;
    both.target.hypervisor.start(&other).unwrap();
    both.source.migration.begin(&departure(sides, Method::PreCopy, FAST)).unwrap();
    let why = both.wait_for_failure(sides);
    assert!(why.contains("already"), "{why}");
    both.wait_for(sides, Side::Source, Standing::Running);
    both.target.hypervisor.stop(WEB.vm, 6).unwrap();
    assert_nothing_happened(sides, &both);
}

pub(crate) fn an_abort_leaves_the_guest_where_it_was(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    for _ in 0..3 {
        both.source.migration.abort(WEB.vm, INCARNATION).unwrap();
    }
    both.wait_for_failure(sides);
    both.source.migration.abort(WEB.vm, INCARNATION).expect("it is over");
    assert_nothing_happened(sides, &both);
    both.source.migration.abort(WEB.vm, INCARNATION).expect("it is elsewhere");
}

pub(crate) fn a_guest_that_is_stopped_on_its_way_is_gone_from_both(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    both.source.hypervisor.stop(WEB.vm, INCARNATION).unwrap();
    both.wait_until_gone(sides, Side::Source);
    both.wait_until_gone(sides, Side::Target);
    wait(sides, "it is over", || !both.is_under_way());
}

pub(crate) fn a_power_button_is_not_heard_on_the_way(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    let hasty = sides.open_hasty(Side::Source);
    let pressed = hasty.hypervisor.press_power(WEB.vm, INCARNATION);
    assert!(matches!(pressed, Err(Error::Silent { .. })), "{pressed:?}");
    assert_eq!(both.standing(Side::Source), Some(Standing::Leaving));
    both.source.migration.abort(WEB.vm, INCARNATION).unwrap();
    both.wait_for_failure(sides);
    assert_nothing_happened(sides, &both);
}

pub(crate) fn an_abort_right_after_the_beginning_is_not_lost(sides: &dyn Sides) {
    let both = Both::start(sides);
    both.source.migration.begin(&departure(sides, Method::PreCopy, SLOW)).unwrap();
    both.source.migration.abort(WEB.vm, INCARNATION).unwrap();
    both.wait_for_failure(sides);
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_pause_may_be_lengthened_on_the_way(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    both.source.migration.allow_downtime(WEB.vm, INCARNATION, 400).unwrap();
    assert!(both.is_under_way());
    both.source.migration.abort(WEB.vm, INCARNATION).unwrap();
    both.wait_for_failure(sides);
    both.source.migration.allow_downtime(WEB.vm, INCARNATION, 400).expect("nothing is going on");
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_move_outlives_its_daemon_and_the_next_one_finds_it(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    let Both { source, target } = both;
    drop(source);
    let both = Both { source: sides.open(Side::Source), target };
    wait(sides, "the next daemon sees it under way", || both.is_under_way());
    both.source.migration.begin(&departure(sides, Method::PreCopy, SLOW)).expect("it is on its way");
    both.source.migration.abort(WEB.vm, INCARNATION).unwrap();
    assert_eq!(both.wait_for_end(sides), Course::Unknown, "nobody saw how it ended");
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_target_whose_hypervisor_dies_costs_the_move_alone(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    sides.befall(Event::HypervisorDies(Side::Target));
    both.wait_for_failure(sides);
    both.wait_for(sides, Side::Source, Standing::Running);
    sides.assert_goes_on(Side::Source);
    sides.befall(Event::HypervisorIsBack(Side::Target));
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_source_whose_hypervisor_dies_costs_the_move_alone(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    sides.befall(Event::HypervisorDies(Side::Source));
    wait(sides, "it is known to be gone", || both.source.migration.look(WEB.vm).is_err());
    sides.befall(Event::HypervisorIsBack(Side::Source));
    assert_eq!(both.wait_for_end(sides), Course::Unknown);
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_network_that_is_cut_in_the_middle_costs_the_move_alone(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_slowly(sides, &both, SLOW);
    sides.befall(Event::CableCut);
    both.wait_for_failure(sides);
    both.wait_for(sides, Side::Source, Standing::Running);
    sides.assert_goes_on(Side::Source);
    sides.befall(Event::CableMended);
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_target_that_cannot_be_reached_costs_the_move_alone(sides: &dyn Sides) {
    let both = Both::start(sides);
    sides.befall(Event::CableCut);
    both.source.migration.begin(&departure(sides, Method::PreCopy, FAST)).unwrap();
    sides.assert_goes_on(Side::Source);
    both.wait_for_failure(sides);
    both.wait_for(sides, Side::Source, Standing::Running);
    sides.befall(Event::CableMended);
    assert_nothing_happened(sides, &both);
}

/// Brings the move to the moment in which the guest stands still and the target has been told to take over, but does
/// not answer.
///
/// The target may not hang for long before that, or the source takes it for gone. So there is a second at most to have it
/// hang, and who is late tries once more.
fn begin_and_stall_at_the_switch(sides: &dyn Sides, both: &Both) {
    for _ in 0..8 {
        if stalls_at_the_switch(sides, both) {
            return sides.wait_until_target_is_told();
        }
        sides.befall(Event::HypervisorIsBack(Side::Target));
        both.start_anew(sides);
    }
    panic!("it was over too early each time");
}

fn stalls_at_the_switch(sides: &dyn Sides, both: &Both) -> bool {
    both.source.migration.begin(&departure(sides, Method::PreCopy, STEADY)).unwrap();
    let mut is_over = false;
    wait(sides, "most of it is sent", || match both.source.migration.course(WEB.vm, INCARNATION) {
        Ok(Course::UnderWay(progress)) => {
            progress.memory_total_mib > 0 && progress.memory_remaining_mib <= 10
        }
        _ => {
            is_over = true;
            true
        }
    });
    if is_over {
        return false;
    }
    sides.befall(Event::HypervisorHangs(Side::Target));
    wait(sides, "the guest stands still, or the move is over", || {
        is_over = !both.is_under_way();
        is_over || both.standing(Side::Source) == Some(Standing::Handing)
    });
    !is_over
}

pub(crate) fn a_target_whose_answer_is_lost_does_not_run_it(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_and_stall_at_the_switch(sides, &both);
    sides.befall(Event::CableCut);
    sides.befall(Event::HypervisorIsBack(Side::Target));
    both.wait_for(sides, Side::Target, Standing::Paused);
    both.wait_for_failure(sides);
    both.wait_for(sides, Side::Source, Standing::Running);
    sides.assert_goes_on(Side::Source);
    assert_eq!(both.standing(Side::Target), Some(Standing::Paused), "it never runs by itself");
    for _ in 0..2 {
        both.target.migration.discard(WEB.vm, INCARNATION).unwrap();
    }
    sides.befall(Event::CableMended);
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_target_whose_hypervisor_dies_at_the_switch_costs_the_move_alone(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_and_stall_at_the_switch(sides, &both);
    sides.befall(Event::HypervisorDies(Side::Target));
    both.wait_for_failure(sides);
    both.wait_for(sides, Side::Source, Standing::Running);
    sides.assert_goes_on(Side::Source);
    sides.befall(Event::HypervisorIsBack(Side::Target));
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_source_whose_hypervisor_dies_at_the_switch_holds_it_until_it_is_told(sides: &dyn Sides) {
    let both = Both::start(sides);
    begin_and_stall_at_the_switch(sides, &both);
    sides.befall(Event::HypervisorDies(Side::Source));
    sides.befall(Event::HypervisorIsBack(Side::Target));
    sides.befall(Event::HypervisorIsBack(Side::Source));
    both.wait_for(sides, Side::Source, Standing::Stranded);
    assert_eq!(both.wait_for_end(sides), Course::Unknown);
    // What the target has is discarded, so that the source can be told to go on.
    both.target.migration.discard(WEB.vm, INCARNATION).unwrap();
    both.wait_until_gone(sides, Side::Target);
    assert_eq!(both.standing(Side::Source), Some(Standing::Stranded));
    both.source.migration.release(WEB.vm, INCARNATION).unwrap();
    assert_nothing_happened(sides, &both);
}

pub(crate) fn a_guest_that_writes_too_fast_goes_on_by_post_copy(sides: &dyn Sides) {
    sides.befall(Event::GuestBusy);
    let both = Both::start(sides);
    let source = &*both.source.migration;
    let way = departure(sides, Method::PostCopy, STEADY);
    source.begin(&way).unwrap();
    wait(sides, "something is sent", || match source.course(WEB.vm, INCARNATION) {
        Ok(Course::UnderWay(progress)) => progress.memory_total_mib > 0,
        other => panic!("it is over too early: {other:?}"),
    });
    assert_eq!(both.standing(Side::Source), Some(Standing::Leaving));
    both.wait_for(sides, Side::Target, Standing::Incoming);
    source.switch_to_post_copy(WEB.vm, INCARNATION).unwrap();
    both.wait_until_moved(sides);
    both.wait_until_gone(sides, Side::Source);
    both.wait_for(sides, Side::Target, Standing::Running);
    sides.assert_goes_on(Side::Target);
}

pub(crate) fn a_network_that_is_cut_in_post_copy_tears_the_guest_and_nobody_mends_it_by_mistake(
    sides: &dyn Sides,
) {
    sides.befall(Event::GuestBusy);
    let both = Both::start(sides);
    let (source, target) = (&*both.source.migration, &*both.target.migration);
    begin_and_switch(sides, &both, GENTLE);
    both.wait_for(sides, Side::Source, Standing::Drained);
    source.switch_to_post_copy(WEB.vm, INCARNATION).expect("it is switched");
    assert!(source.abort(WEB.vm, INCARNATION).is_err(), "there is no way back");
    sides.befall(Event::CableCut);
    both.wait_for(sides, Side::Source, Standing::Torn);
    both.wait_for_failure(sides);
    for migration in [source, target] {
        assert!(migration.discard(WEB.vm, INCARNATION).is_err());
    }
    assert!(source.release(WEB.vm, INCARNATION).is_err(), "it has run on the target");
    wait(sides, "the target does not take it for whole", || {
        matches!(both.standing(Side::Target), Some(Standing::Filling | Standing::Torn))
    });
    both.source.hypervisor.stop(WEB.vm, INCARNATION).unwrap();
    both.target.hypervisor.stop(WEB.vm, INCARNATION).unwrap();
    both.wait_until_gone(sides, Side::Source);
    both.wait_until_gone(sides, Side::Target);
}

/// Sends the guest by post-copy, until it runs on the target with its memory following at this speed.
fn begin_and_switch(sides: &dyn Sides, both: &Both, bandwidth_mib: u64) {
    let source = &*both.source.migration;
    source.begin(&departure(sides, Method::PostCopy, bandwidth_mib)).unwrap();
    wait(sides, "something is sent", || match source.course(WEB.vm, INCARNATION) {
        Ok(Course::UnderWay(progress)) => progress.memory_total_mib > 0,
        other => panic!("it is over too early: {other:?}"),
    });
    source.switch_to_post_copy(WEB.vm, INCARNATION).unwrap();
    both.wait_for(sides, Side::Target, Standing::Filling);
}

/// Waits until enough of the memory has followed for the guest to take its interrupts: an emulated one holds QEMU's own
/// lock while it takes one, and when what it needs for that is missing QEMU answers nobody any more.
fn wait_until_some_has_followed(sides: &dyn Sides, both: &Both) {
    wait(sides, "some of the memory has followed", || {
        match both.source.migration.course(WEB.vm, INCARNATION) {
            Ok(Course::UnderWay(progress)) => {
                progress.memory_remaining_mib + FOLLOWED_MIB <= progress.memory_total_mib
            }
            other => panic!("it is over too early: {other:?}"),
        }
    });
}

/// At the gentle speed two seconds, in which its timer ticks several times.
const FOLLOWED_MIB: u64 = 4;

/// Joins the halves of a torn guest: what the target refuses now it may take later, when it has noticed too.
fn join(sides: &dyn Sides, both: &Both) {
    let source = &*both.source.migration;
    let way = departure(sides, Method::PostCopy, STEADY);
    wait(sides, "the halves are joined", || {
        if both.standing(Side::Source) == Some(Standing::Torn) && !both.is_under_way() {
            // It may have gone on by itself just now.
            drop(source.mend(&way));
        }
        both.standing(Side::Target) == Some(Standing::Running)
    });
    // A stream that went on by itself just when another was to join them leaves libvirt with a half that nobody needs.
    wait(sides, "the source's half is gone", || {
        if both.standing(Side::Source) == Some(Standing::Torn) && !both.is_under_way() {
            both.source.hypervisor.stop(WEB.vm, INCARNATION).unwrap();
        }
        both.source.migration.look(WEB.vm) == Ok(None)
    });
    both.wait_until_gone(sides, Side::Source);
    sides.assert_goes_on(Side::Target);
}

pub(crate) fn halves_that_were_torn_by_the_network_are_joined_when_it_is_back(sides: &dyn Sides) {
    sides.befall(Event::GuestBusy);
    let both = Both::start(sides);
    assert_eq!(
        refusal(both.source.migration.mend(&departure(sides, Method::PostCopy, STEADY))),
        "it is whole"
    );
    begin_and_switch(sides, &both, GENTLE);
    wait_until_some_has_followed(sides, &both);
    sides.befall(Event::CableCut);
    both.wait_for(sides, Side::Source, Standing::Torn);
    both.wait_for_failure(sides);
    sides.befall(Event::CableMended);
    join(sides, &both);
}

pub(crate) fn halves_whose_stream_broke_are_joined_by_another_one(sides: &dyn Sides) {
    sides.befall(Event::GuestBusy);
    let both = Both::start(sides);
    begin_and_switch(sides, &both, SLOW);
    wait_until_some_has_followed(sides, &both);
    sides.befall(Event::StreamBroken);
    both.wait_for(sides, Side::Source, Standing::Torn);
    both.wait_for(sides, Side::Target, Standing::Torn);
    both.wait_for_failure(sides);
    join(sides, &both);
}

pub(crate) fn a_guest_that_writes_too_fast_is_slowed_down_where_that_was_asked_for(sides: &dyn Sides) {
    use host::migration::Convergence;
    sides.befall(Event::GuestBusy);
    let both = Both::start(sides);
    let way = Departure {
        convergence: Convergence::Throttled,
        downtime_max_ms: 500,
        ..departure(sides, Method::PreCopy, 40)
    };
    both.source.migration.begin(&way).unwrap();
    both.wait_until_moved(sides);
    both.target.migration.release(WEB.vm, INCARNATION).unwrap();
    sides.assert_goes_on(Side::Target);
}
