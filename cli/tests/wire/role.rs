//! The primary role is asked to move, and a wait says how it ended.

use crate::bench::Bench;
use crate::server::Script;

/// A server that accepts the wish, and shows these states one after the other.
fn states(goal: &str, states: &[&str]) -> Script {
    let script =
        Script::default().done(&format!("POST /node/hv2/coordinator-state?state={goal}"), "So be it.");
    let shown = |state: &&str| format!(r#"{{"name": "hv2", "coordinator_state": "{state}"}}"#);
    states
        .iter()
        .map(shown)
        .fold(script, |script, body| script.answer("GET /node/hv2/coordinator-state", "200 OK", body))
}

#[test]
fn the_role_is_asked_to_move_and_waited_for() {
    let server = states("primary", &["secondary", "takeover", "primary"]).serve();
    let out = Bench::to(server.address).run("node primary hv2 --wait").done();
    assert_eq!(out, "So be it.\nNode \"hv2\" is primary now.\n");
    let server = states("secondary", &["primary", "relinquish", "secondary"]).serve();
    let out = Bench::to(server.address).run("node secondary hv2 -w").done();
    assert_eq!(out, "So be it.\nNode \"hv2\" is secondary now.\n");
}

#[test]
fn without_a_wait_nothing_more_is_asked() {
    for command in ["node primary hv2", "node primary hv2 --no-wait", "node primary hv2 --wait --no-wait"] {
        let server = states("primary", &[]).serve();
        assert_eq!(Bench::to(server.address).run(command).done(), "So be it.\n");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_role_that_stays_where_it_is_ends_the_wait_badly() {
    let server = states("primary", &["secondary", "takeover", "secondary"]).serve();
    let finished = Bench::to(server.address).run("node primary hv2 --wait");
    assert_eq!((finished.code, finished.out.as_str()), (1, "So be it.\n"));
    assert!(finished.err.contains("stayed where it was") && finished.err.contains("pvc node log hv2"));
}
