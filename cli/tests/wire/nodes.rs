//! Nodes: what a drain would do, whether a node is primary, and forgetting one.

use crate::bench::Bench;
use crate::server::Script;

const PLAN: &str = r#"{"message": "A flush of node \"hv2\" would move 1 VMs, shut down 1. Nothing was changed.",
    "plan": [
        {"name": "web1", "uuid": "u1", "from": "hv2", "fate": "moves", "to": "hv1", "method": "live", "why": ""},
        {"name": "db1", "uuid": "u2", "from": "hv2", "fate": "parks", "to": "", "method": "", "why": "hv1: full"}
    ]}"#;

#[test]
fn a_dry_run_prints_each_vm_with_where_it_goes_or_why_it_cannot() {
    let asks = "POST /node/hv2/domain-state?state=flush&dry_run=true";
    let server = Script::default().answer(asks, "200 OK", PLAN).serve();
    let bench = Bench::to(server.address);
    let out = bench.run("node flush hv2 --dry-run").done();
    assert!(out.starts_with("A flush of node \"hv2\" would move 1 VMs"), "{out}");
    for words in
        [["web1", "hv2", "moves", "hv1", "live", "-"], ["db1", "hv2", "parks", "-", "-", "hv1: full"]]
    {
        assert!(out.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}: {out}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&bench.run("node flush hv2 --dry-run -f json").done()).unwrap();
    assert_eq!(json["plan"][1]["why"], "hv1: full");
    assert_eq!(bench.run("node flush hv2 --dry-run --wait").code, 2);
    assert_eq!(bench.run("node flush hv2 -f json").code, 2);
}

#[test]
fn whether_a_node_is_primary_is_told_by_the_exit_code_and_in_silence() {
    for (state, code) in [("primary", 0), ("secondary", 1), ("takeover", 1)] {
        let body = format!(r#"{{"name": "hv1", "coordinator_state": "{state}"}}"#);
        let server = Script::default().answer("GET /node/hv1/coordinator-state", "200 OK", body).serve();
        let finished = Bench::to(server.address).run("node is-primary hv1");
        assert_eq!((finished.code, finished.out.as_str(), finished.err.as_str()), (code, "", ""), "{state}");
    }
}

#[test]
fn a_node_is_forgotten_only_with_consent() {
    let server = Script::default().done("DELETE /node/hv3", "It is forgotten.").serve();
    let bench = Bench::to(server.address);
    assert!(bench.run("node remove hv3").failed().contains("--yes"));
    assert_eq!(bench.run("node remove hv3 --yes").done(), "It is forgotten.\n");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_health_of_the_cluster_and_of_its_nodes_is_shown_with_every_reason() {
    let server = Script::default().recorded("GET /status", "status.json").serve();
    let bench = Bench::to(server.address);
    let out = bench.run("cluster health").done();
    for part in ["65 %", "[NODE_PLUGIN_LOAD_PVCHV1]", "[CEPH_WARN_RECENT_CRASH]", "pvchv3"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let json: serde_json::Value = serde_json::from_str(&bench.run("cluster health -f json").done()).unwrap();
    assert_eq!(json["cluster_health"]["health"], 65);
    assert_eq!(json["node_health"]["pvchv1"]["health"], 100);
}

#[test]
fn where_the_api_of_this_machine_is_away_that_of_another_coordinator_is_asked() {
    let server = Script::default().done("POST /node/hv2/domain-state?state=ready", "So be it.").serve();
    let bench = Bench::empty();
    let config = bench.path().join("pvc.toml");
    // Nobody listens at this machine's address of the other family.
    let text = format!(
        "node = \"hv2\"\ncoordinators = [\"hv2\", \"127.0.0.1\"]\n[api]\nlisten = \"[::]:{}\"\n",
        server.address.port()
    );
    std::fs::write(&config, text).unwrap();
    let entry = format!("{{\"local\": {{\"cfgfile\": \"{}\"}}}}", config.display());
    std::fs::write(bench.path().join("pvc.json"), entry).unwrap();
    let finished = bench.run("-c local node ready hv2");
    assert_eq!((finished.code, finished.out.as_str()), (0, "So be it.\n"), "{}", finished.err);
    assert_eq!(server.asked().len(), 1);
}
