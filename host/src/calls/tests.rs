//! Tests of calls that hang.

use std::sync::mpsc::{self, Sender};

use logic::id::VmId;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum On {
    Guest(VmId),
    All,
}

impl Subject for On {
    fn calls_max(&self) -> usize {
        match self {
            Self::Guest(_) => 1,
            Self::All => 4,
        }
    }
}

const VM: VmId = VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d"));
const OTHER: VmId = VmId(uuid::uuid!("23b8c1e9-3924-46de-beb1-3b9046685257"));

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A call that hangs until what is returned is dropped.
fn hang(calls: &Calls<On>, subject: On) -> (Result<(), Late>, Sender<()>) {
    let (release, hung) = mpsc::channel::<()>();
    let outcome = calls.run(subject, soon(), move |_| {
        let _ = hung.recv();
    });
    (outcome, release)
}

#[test]
fn a_hung_call_is_given_up_and_calls_on_other_guests_go_on() {
    let calls = Calls::default();
    let (outcome, _release) = hang(&calls, On::Guest(VM));
    assert_eq!(outcome, Err(Late::UnderWay));
    assert_eq!(calls.run(On::Guest(OTHER), later(), |_| 7), Ok(7));
    assert_eq!(calls.run(On::All, later(), |_| 8), Ok(8));
}

#[test]
fn calls_on_one_guest_are_made_one_after_the_other() {
    let calls = Calls::default();
    let (_, release) = hang(&calls, On::Guest(VM));
    let (ran, whether_it_ran) = mpsc::channel();
    assert_eq!(calls.run(On::Guest(VM), soon(), move |_| ran.send(()).is_ok()), Err(Late::InLine));
    drop(release);
    assert_eq!(calls.run(On::Guest(VM), later(), |_| 9), Ok(9));
    assert!(whether_it_ran.recv().is_err(), "a call given up in line is never begun");
}

#[test]
fn looks_that_hang_are_bounded_and_come_back() {
    let calls = Calls::default();
    let hung: Vec<_> = (0..4).map(|_| hang(&calls, On::All)).collect();
    assert!(hung.iter().all(|(outcome, _)| *outcome == Err(Late::UnderWay)));
    assert_eq!(calls.run(On::All, soon(), |_| ()), Err(Late::InLine));
    drop(hung);
    assert_eq!(calls.run(On::All, later(), |_| ()), Ok(()));
}

#[test]
fn a_call_learns_that_nobody_waits_for_it_any_more() {
    // A thread that is not given a processor in time finds at once that nobody waits: then its caller has more patience.
    let began_in_time = [20, 500, 5_000, 30_000].into_iter().any(|patience_ms| {
        let calls = Calls::default();
        let (release, hung) = mpsc::channel::<()>();
        let (told, tells) = mpsc::channel();
        let until = Instant::now() + Duration::from_millis(patience_ms);
        let outcome = calls.run(On::Guest(VM), until, move |claim| {
            let before = claim.is_held();
            let _ = hung.recv();
            let _ = told.send((before, claim.is_held()));
        });
        assert_eq!(outcome, Err(Late::UnderWay));
        drop(release);
        let (before, after) = tells.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(!after, "nobody waits for it any more");
        before
    });
    assert!(began_in_time, "a call that is waited for is told that nobody does");
}

#[test]
fn a_call_that_panics_gives_its_place_back() {
    let calls = Calls::default();
    let outcome = calls.run(On::Guest(VM), later(), |_| panic!("as ordered"));
    assert_eq!(outcome, Err::<(), _>(Late::UnderWay));
    assert_eq!(calls.run(On::Guest(VM), later(), |_| ()), Ok(()));
}
