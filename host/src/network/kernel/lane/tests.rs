//! What a call that hangs costs its caller and the calls after it.

use std::time::Duration;

use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn an_answer_in_time_is_given() {
    assert_eq!(Lane::new(1).run(in_a_minute(), || 7), Ok(7));
}

#[test]
fn a_call_that_hangs_is_late_and_holds_its_place_until_it_ends() {
    let lane = Lane::new(1);
    let (end, ended) = sync_channel::<()>(0);
    assert_eq!(lane.run(soon(), move || ended.recv().is_ok()), Err(Late));
    assert_eq!(lane.run(soon(), || true), Err(Late), "there is no place for another one");
    end.send(()).unwrap();
    assert_eq!(lane.run(in_a_minute(), || true), Ok(true));
}

#[test]
fn a_call_that_panics_gives_its_place_back() {
    let lane = Lane::new(1);
    assert_eq!(lane.run(in_a_minute(), || -> bool { panic!("as ordered") }), Err(Late));
    assert_eq!(lane.run(in_a_minute(), || true), Ok(true));
}
