//! A node's own life: announce, register, keep alive, stop.

use super::*;
use crate::testing::{NOW, at, cluster, hv1, observed};

fn steps(cluster: &Cluster, observed: &Observed, now: Now) -> Vec<(&'static str, &'static str)> {
    decide(cluster, observed, now).steps.iter().map(|step| (step.action.name(), step.reason.name())).collect()
}

fn announced() -> Observed {
    let seen = observed(&[]);
    let presence = Presence { boot: seen.node.boot, restart_planned: None };
    Observed { announced: Some(presence), ..seen }
}

fn with_status(daemon: DaemonState) -> Cluster {
    let mut cluster = cluster();
    let seen = observed(&[]);
    let plan = decide(&cluster, &announced(), NOW);
    let Action::Record(records) = &plan.steps.last().expect("a keepalive").action else { panic!("{plan:?}") };
    let Some(Record::NodeStatus(status)) = records.writes[0].value.clone() else { panic!("{plan:?}") };
    let mut entry = (*cluster.nodes[&hv1()]).clone();
    entry.status = Some(at(NodeStatus { daemon, boot: seen.node.boot, ..status }));
    cluster.nodes.insert(hv1(), entry.into());
    cluster
}

#[test]
fn a_daemon_announces_registers_and_then_keeps_alive() {
    assert_eq!(steps(&Cluster::default(), &observed(&[]), NOW), [("announce", "session-began")]);
    assert_eq!(steps(&Cluster::default(), &announced(), NOW), [("record", "node-starts")]);
    assert_eq!(steps(&cluster(), &announced(), NOW), [("record", "keepalive-due")]);
}

#[test]
fn a_changed_machine_registers_anew() {
    let mut seen = announced();
    seen.node.cpu_count += 1;
    assert_eq!(steps(&cluster(), &seen, NOW), [("record", "node-changed"), ("record", "keepalive-due")]);
}

#[test]
fn a_daemon_stops_though_its_machine_has_changed_since_it_registered() {
    let mut seen =
        Observed { life: Life::Stopping, keepalives: 1, keepalive_at: Some(NOW.boot), ..announced() };
    seen.node.memory_total_mib += 1;
    assert_eq!(steps(&with_status(DaemonState::Run), &seen, NOW), [("record", "node-stops")]);
}

#[test]
fn the_state_goes_from_init_to_run_to_shutdown_to_stop_and_then_nothing_is_written() {
    let daemon = |cluster: &Cluster, seen: &Observed| {
        let plan = decide(cluster, seen, NOW);
        plan.steps.into_iter().find_map(|step| match step.action {
            Action::Record(records) => match records.writes.into_iter().next()?.value {
                Some(Record::NodeStatus(status)) => Some(status.daemon),
                _ => None,
            },
            _ => None,
        })
    };
    let began = announced();
    assert_eq!(daemon(&cluster(), &began), Some(DaemonState::Init));
    let sent = Observed { keepalives: 1, keepalive_at: Some(NOW.boot), ..began };
    assert_eq!(daemon(&with_status(DaemonState::Init), &sent), Some(DaemonState::Run));
    assert_eq!(daemon(&with_status(DaemonState::Run), &sent), None);
    let stopping = Observed { life: Life::Stopping, ..sent };
    assert_eq!(daemon(&with_status(DaemonState::Run), &stopping), Some(DaemonState::Shutdown));
    assert_eq!(daemon(&with_status(DaemonState::Shutdown), &stopping), Some(DaemonState::Stop));
    assert_eq!(daemon(&with_status(DaemonState::Stop), &stopping), None);
}

#[test]
fn a_keepalive_is_sent_when_it_is_due_and_asked_for_then() {
    let sent = Observed { keepalives: 1, keepalive_at: Some(NOW.boot), ..announced() };
    let cluster = with_status(DaemonState::Run);
    let due = NOW.boot + sent.timers.keepalive_interval;
    assert_eq!(decide(&cluster, &sent, NOW), Plan { look_again: Some(due), ..Plan::default() });
    assert_eq!(steps(&cluster, &sent, Now { boot: due, ..NOW }), [("record", "keepalive-due")]);
}

#[test]
fn a_running_daemon_whose_session_is_gone_is_shown_dead() {
    let entry = |daemon, presence: Option<Presence>| {
        let cluster = with_status(daemon);
        NodeEntry { presence: presence.map(at), ..(*cluster.nodes[&hv1()]).clone() }
    };
    let present = Presence { boot: observed(&[]).node.boot, restart_planned: None };
    assert_eq!(super::super::shown_daemon_state(&entry(DaemonState::Run, None)), DaemonState::Dead);
    assert_eq!(super::super::shown_daemon_state(&entry(DaemonState::Run, Some(present))), DaemonState::Run);
    assert_eq!(super::super::shown_daemon_state(&entry(DaemonState::Stop, None)), DaemonState::Stop);
    assert_eq!(super::super::shown_daemon_state(&NodeEntry::default()), DaemonState::Init);
}

#[test]
fn strangers_and_a_silent_hypervisor_are_told_with_the_keepalive() {
    let id = crate::testing::VM;
    let mut seen = announced();
    seen.guests = observed(&[(id, None)]).guests;
    assert_eq!(seen.foreign()[0].vm, id);
    seen.guests = Guests::Unknown { why: "hung".into() };
    let plan = decide(&cluster(), &seen, NOW);
    assert!(format!("{plan:?}").contains("hypervisor_fault: Some(\"hung\")"));
}

#[test]
fn facts_that_are_late_are_sent_with_the_keepalive_and_marked() {
    let stale = |seen: &Observed, now: Now| {
        let plan = decide(&cluster(), seen, now);
        let Action::Record(records) = &plan.steps.last().expect("a keepalive").action else {
            panic!("{plan:?}")
        };
        let Some(Record::NodeStatus(status)) = records.writes[0].value.clone() else { panic!("{plan:?}") };
        status.stale
    };
    let seen = announced();
    assert_eq!(stale(&seen, NOW), []);
    let later = Now { boot: NOW.boot + STALE_AFTER + crate::time::Span(1), ..NOW };
    assert_eq!(stale(&seen, later), [Stale::Guests, Stale::Machine]);
    let read = Observed { guests_at: later.boot, ..seen.clone() };
    assert_eq!(stale(&read, later), [Stale::Machine]);
    let never = Observed { gauged: crate::observed::Gauged::default(), ..seen };
    assert_eq!(stale(&never, NOW), [Stale::Machine]);
}

#[test]
fn a_node_that_stops_before_it_is_registered_lets_go_of_the_role_first() {
    let mut cluster = cluster();
    cluster.primary = Some(at(primary_of("hv1")));
    let mut entry = (*cluster.nodes[&hv1()]).clone();
    entry.node.as_mut().unwrap().value.boot = crate::node::BootId(uuid::Uuid::from_u128(9));
    cluster.nodes.insert(hv1(), entry.into());
    let stops = Observed {
        life: Life::Stopping,
        stopping_since: Some(NOW.boot),
        networks: floating_networks(),
        ..observed(&[])
    };
    assert!(!decide(&cluster, &stops, NOW).ends, "its address may be on the bridge still");
    let again = Observed { asked_again: true, ..stops.clone() };
    assert!(decide(&cluster, &again, NOW).ends, "nothing is waited for");
    cluster.primary = None;
    let bare = Observed { networks: crate::network::Networks::none(), ..stops };
    assert!(decide(&cluster, &bare, NOW).ends);
}

fn primary_of(node: &str) -> crate::primary::Primary {
    crate::primary::Primary { node: node.parse().unwrap(), term: 1, handover: None, former: None }
}

/// Networks with a floating address that were not looked at yet.
fn floating_networks() -> crate::network::Networks {
    let text =
        "node_id = 1\n[network.upstream]\ndevice = 'ens4'\nnetwork = '10.0.0.0/24'\nfloating = '10.0.0.100'";
    let own = crate::config::Config::parse(text, "hv1").unwrap().networks;
    let wanted = crate::network::Wanted { own, guests: None };
    let sighting = crate::network::Sighting::Unknown { why: "the kernel has not been asked yet".into() };
    crate::network::Networks { wanted, sighting, at: NOW.boot }
}
