//! VMs that change their node: what is asked, what a wait says at its end, and why a VM is where it is.

use crate::bench::Bench;
use crate::server::Script;

const WHY: &str = r#"{"name": "web1", "state": "start", "node": "hv1", "target": "", "next": "hv2",
    "reasons": ["VM \"web1\" is at home on node \"hv1\".", "It is in state \"start\"."],
    "nodes": [
        {"name": "hv1", "part": "owner", "score": 8192, "barred": "", "words": "has the VM"},
        {"name": "hv2", "part": "next", "score": 512, "barred": "", "words": "not as good"},
        {"name": "hv3", "part": "barred", "score": null, "barred": "not-running", "words": "its daemon is dead"}
    ]}"#;

/// A VM as the API shows it.
fn vm(state: &str, node: &str) -> String {
    format!(r#"[{{"name": "web1", "state": "{state}", "node": "{node}", "failed_reason": "no disk"}}]"#)
}

/// A server that shows the VM at these places one after the other, and accepts that it moves.
fn places(question: &str, places: &[(&str, &str)]) -> Script {
    let script = Script::default().done(question, "So be it.");
    places
        .iter()
        .fold(script, |script, (state, node)| script.answer("GET /vm/web1", "200 OK", vm(state, node)))
}

#[test]
fn a_wait_ends_when_the_vm_is_there_and_says_where() {
    let server = places(
        "POST /vm/web1/node?action=migrate&node=hv2",
        &[("start", "hv1"), ("migrate", "hv1"), ("start", "hv2")],
    );
    let server = server.serve();
    let out = Bench::to(server.address).run("vm migrate web1 -t hv2 -w").done();
    assert_eq!(out, "So be it.\nVM \"web1\" is on node \"hv2\" now, in state \"start\".\n");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_vm_that_does_not_run_is_there_at_once() {
    let server = places("POST /vm/web1/node?action=unmigrate", &[("stop", "hv2"), ("stop", "hv1")]).serve();
    let out = Bench::to(server.address).run("vm unmigrate web1 --wait").done();
    assert_eq!(out, "So be it.\nVM \"web1\" is on node \"hv1\" now, in state \"stop\".\n");
}

#[test]
fn a_wait_that_ends_badly_says_why() {
    for (last, said) in [
        (("fail", "hv2"), "VM \"web1\" has failed on node \"hv2\": no disk"),
        (("start", "hv1"), "stayed on node \"hv1\", in state \"start\": no disk"),
        (("stop", "hv1"), "pvc vm why web1"),
    ] {
        let script = places("POST /vm/web1/node?action=move", &[("start", "hv1"), ("migrate", "hv1"), last]);
        let server = script.serve();
        let finished = Bench::to(server.address).run("vm move web1 -w");
        assert_eq!((finished.code, finished.out.as_str()), (1, "So be it.\n"));
        assert!(finished.err.contains(said), "{}", finished.err);
    }
}

#[test]
fn a_refusal_is_told_and_nothing_is_waited_for() {
    let message =
        r#"{"message": "VM \"web1\" cannot move while it runs: a device is passed through to it."}"#;
    let question = "POST /vm/web1/node?action=move&force_live=true";
    let script = Script::default().answer("GET /vm/web1", "200 OK", vm("start", "hv1"));
    let server = script.answer(question, "400 Bad Request", message).serve();
    let error = Bench::to(server.address).run("vm move web1 --force-live --wait").failed();
    assert!(error.contains("cannot move while it runs: a device"), "{error}");
    assert_eq!(server.asked(), ["GET /vm/web1", question]);
}

#[test]
fn why_a_vm_is_where_it_is_is_told_in_words_and_as_json() {
    let server = Script::default().answer("GET /vm/web1/why", "200 OK", WHY).serve();
    let bench = Bench::to(server.address);
    let expected = "VM \"web1\" is at home on node \"hv1\".\nIt is in state \"start\".\n\n\
                    Node  Part    Score  Why\nhv1   owner    8192  has the VM\nhv2   next      512  not as good\n\
                    hv3   barred      -  its daemon is dead\n";
    assert_eq!(bench.run("vm why web1").done(), expected);
    for (words, lines) in [("vm why web1 -f json", 1), ("vm why web1 -f json-pretty", 34)] {
        let out = bench.run(words).done();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!((value(&out), out.lines().count()), (value(WHY), lines), "{words}");
    }
}

/// A node as the API shows it.
fn node(state: &str) -> String {
    format!(r#"[{{"name": "hv2", "domain_state": "{state}"}}]"#)
}

#[test]
fn a_flush_is_waited_for_until_the_node_is_empty() {
    let script = Script::default().done("POST /node/hv2/domain-state?state=flush", "So be it.");
    let states = ["flush", "flush", "flushed"];
    let script =
        states.iter().fold(script, |script, state| script.answer("GET /node/hv2", "200 OK", node(state)));
    let server = script.serve();
    let out = Bench::to(server.address).run("node flush hv2 --wait").done();
    assert_eq!(out, "So be it.\nNode \"hv2\" is in state \"flushed\" now.\n");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_node_that_is_ready_is_asked_for_once() {
    let server = Script::default().done("POST /node/hv2/domain-state?state=ready", "So be it.").serve();
    assert_eq!(Bench::to(server.address).run("node ready hv2").done(), "So be it.\n");
}
