//! The handover phase by phase, and what happens when one side is gone, hangs or leaves.

use std::sync::Arc;

use super::super::{CoordinatorState, PrimaryWish, coordinator_state};
use super::*;
use crate::cluster::NodeEntry;
use crate::config::Config;
use crate::network::{Address, Lifetime, Link, LinkKind, LinkState, Networks, Seen, Sighting, Wanted};
use crate::node::{Node, NodeStatus, Presence};
use crate::observed::StepFailure;
use crate::record::Record;
use crate::testing::{BOOT, NOW, at, cluster as one_node, observed};
use crate::time::BootTime;

const FLOATING: &str = "10.0.0.100";

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn set(cluster: &mut Cluster, node: &str, role: Role, daemon: DaemonState) {
    let known = one_node().node(&name("hv1")).cloned().unwrap();
    let status = NodeStatus { daemon, boot: BOOT, ..NodeStatus::default() };
    let entry = NodeEntry {
        node: Some(at(Node { role, ..known })),
        status: Some(at(status)),
        presence: Some(at(Presence { boot: BOOT, restart_planned: None })),
        ..NodeEntry::default()
    };
    cluster.nodes.insert(name(node), entry.into());
}

/// Three coordinators and a hypervisor that run; `hv1` holds the role in term 1.
fn three() -> Cluster {
    let mut cluster = one_node();
    for node in ["hv1", "hv2", "hv3"] {
        set(&mut cluster, node, Role::Coordinator, DaemonState::Run);
    }
    set(&mut cluster, "hv4", Role::Hypervisor, DaemonState::Run);
    cluster.primary = Some(at(Primary::held(name("hv1"), 1)));
    cluster
}

fn lose(cluster: &mut Cluster, node: &str) {
    let mut entry = (*cluster.nodes[&name(node)]).clone();
    entry.presence = None;
    cluster.nodes.insert(name(node), entry.into());
}

fn phase(cluster: &mut Cluster, to: &str, phase: Phase) {
    let handover = Some(Handover { to: name(to), phase });
    cluster.primary = Some(at(Primary { handover, ..Primary::held(name("hv1"), 1) }));
}

fn sees(node: &str, waited: Span) -> Observed {
    let announced = Some(Presence { boot: BOOT, restart_planned: None });
    let since = BootTime(NOW.boot.0 - waited.0);
    Observed { name: name(node), announced, role_since: Some(since), ..observed(&[]) }
}

/// The write of the role that a node decides on, with its reason.
fn turn(cluster: &Cluster, seen: &Observed) -> Option<(Primary, &'static str)> {
    let step =
        decide(cluster, seen, NOW).steps.into_iter().find(|step| step.resource == Resource::Primary)?;
    let Action::Record(records) = step.action else { panic!("it is a record") };
    let Some(Record::Primary(primary)) = records.writes[0].value.clone() else { panic!("it is the role") };
    Some((primary, step.reason.name()))
}

fn reason(cluster: &Cluster, node: &str, waited: Span) -> Option<&'static str> {
    turn(cluster, &sees(node, waited)).map(|(_, reason)| reason)
}

const SOON: Span = Span(10);
const LATE: Span = HANDOVER_PHASE_MAX;
const TOO_LATE: Span = HANDOVER_TRY_MAX;

#[test]
fn a_vacant_role_is_taken_by_coordinators_that_run() {
    let mut cluster = three();
    cluster.primary = None;
    set(&mut cluster, "hv3", Role::Coordinator, DaemonState::Init);
    let taken = |node| reason(&cluster, node, SOON);
    assert_eq!((taken("hv1"), taken("hv2")), (Some("role-vacant"), Some("role-vacant")));
    assert_eq!((taken("hv3"), taken("hv4")), (None, None));
    let mut uninitialised = cluster.clone();
    uninitialised.settings = None;
    assert_eq!(reason(&uninitialised, "hv1", SOON), None);
    let unannounced = Observed { announced: None, ..sees("hv1", SOON) };
    assert_eq!(turn(&cluster, &unannounced), None);
}

#[test]
fn a_holder_that_is_silent_for_too_long_is_succeeded_and_keeps_the_role_if_it_spoke() {
    let cluster = three();
    let seen = |node, since: Option<Span>| Observed {
        holder_since: since.map(|ago| BootTime(NOW.boot.0 - ago.0)),
        ..sees(node, Span::seconds(90))
    };
    let too_long = observed(&[]).timers.primary_silence_max;
    let almost = Span(too_long.0 - 1);
    assert_eq!(turn(&cluster, &seen("hv2", Some(almost))), None);
    assert_eq!(decide(&cluster, &seen("hv2", Some(almost)), NOW).look_again, Some(NOW.boot + Span(1)));
    assert_eq!(turn(&cluster, &seen("hv2", None)), None, "what could not be heard counts against nobody");
    assert_eq!(turn(&cluster, &seen("hv4", Some(too_long))), None, "a hypervisor takes nothing");
    assert_eq!(turn(&cluster, &seen("hv1", Some(too_long))), None, "it is not its own successor");
    let former = Some(name("hv1"));
    let taken = Primary { former, ..Primary::held(name("hv2"), 2) };
    assert_eq!(turn(&cluster, &seen("hv2", Some(too_long))), Some((taken, "role-holder-silent")));
    let steps = decide(&cluster, &seen("hv2", Some(too_long)), NOW).steps;
    let Action::Record(records) = &steps[0].action else { panic!("it is a record") };
    let status = cluster.nodes[&name("hv1")].status.as_ref().unwrap();
    let rests = Guard { record: RecordId::NodeStatus(name("hv1")), expect: status.expect() };
    assert_eq!(records.guards, [rests], "it rests on the word that was not renewed");
}

#[test]
fn a_handover_that_goes_on_has_patience_of_its_own() {
    let mut cluster = three();
    phase(&mut cluster, "hv2", Phase::Claimed);
    let long = observed(&[]).timers.primary_silence_max;
    let silent = Some(BootTime(NOW.boot.0 - long.0));
    let seen = |waited| Observed { holder_since: silent, ..sees("hv3", waited) };
    assert_eq!(turn(&cluster, &seen(LATE)), None);
    assert_eq!(turn(&cluster, &seen(TOO_LATE)).unwrap().1, "role-holder-silent");
}

#[test]
fn a_wished_handover_goes_phase_by_phase_and_each_is_one_sides_turn() {
    let mut cluster = three();
    for node in ["hv1", "hv2", "hv3", "hv4"] {
        assert_eq!(reason(&cluster, node, SOON), None, "{node} has nothing to do");
    }
    cluster.primary_wish = Some(at(PrimaryWish { term: 1, to: Some(name("hv2")) }));
    let mut log = Vec::new();
    while let Some((node, (primary, reason))) =
        ["hv1", "hv2", "hv3", "hv4"].iter().find_map(|node| Some((node, turn(&cluster, &sees(node, SOON))?)))
    {
        let shown = |node| coordinator_state(&cluster, &name(node)).as_str();
        log.push(format!("{} {} {node} {reason}", shown("hv1"), shown("hv2")));
        cluster.primary = Some(at(primary));
    }
    assert_eq!(
        log,
        [
            "primary secondary hv2 role-claimed",
            "relinquish takeover hv1 role-yielded",
            "relinquish takeover hv2 role-taken-over",
            "relinquish primary hv1 role-let-go",
        ]
    );
    assert_eq!(cluster.primary, Some(at(Primary::held(name("hv2"), 2))));
    assert_eq!(coordinator_state(&cluster, &name("hv1")), CoordinatorState::Secondary);
    assert_eq!(coordinator_state(&cluster, &name("hv4")), CoordinatorState::Client);
}

#[test]
fn a_wish_for_anybody_is_claimed_by_all_who_can_and_a_named_one_by_nobody_else() {
    let mut cluster = three();
    cluster.primary_wish = Some(at(PrimaryWish { term: 1, to: None }));
    assert_eq!(reason(&cluster, "hv2", SOON), Some("role-claimed"));
    assert_eq!(reason(&cluster, "hv3", SOON), Some("role-claimed"));
    assert_eq!((reason(&cluster, "hv1", SOON), reason(&cluster, "hv4", SOON)), (None, None));
    cluster.primary_wish = Some(at(PrimaryWish { term: 1, to: Some(name("hv3")) }));
    assert_eq!((reason(&cluster, "hv2", SOON), reason(&cluster, "hv3", SOON)), (None, Some("role-claimed")));
    cluster.primary_wish = Some(at(PrimaryWish { term: 0, to: Some(name("hv3")) }));
    assert_eq!(reason(&cluster, "hv3", SOON), None, "a wish of an earlier term is void");
}

#[test]
fn a_wish_that_nobody_comes_forward_for_is_void() {
    let mut cluster = three();
    cluster.primary_wish = Some(at(PrimaryWish { term: 1, to: Some(name("hv2")) }));
    assert_eq!(reason(&cluster, "hv1", LATE), Some("role-wish-void"));
    lose(&mut cluster, "hv2");
    let (primary, reason) = turn(&cluster, &sees("hv1", SOON)).unwrap();
    assert_eq!((primary, reason), (Primary::held(name("hv1"), 2), "role-wish-void"));
}

#[test]
fn a_holder_that_is_gone_is_succeeded_and_what_shows_it_is_part_of_the_write() {
    for (daemon, is_present, expected) in [
        (DaemonState::Run, true, None),
        (DaemonState::Run, false, Some("role-holder-gone")),
        (DaemonState::Init, true, None),
        (DaemonState::Stop, true, Some("role-holder-gone")),
        (DaemonState::Shutdown, true, Some("role-claimed")),
        (DaemonState::Shutdown, false, Some("role-holder-gone")),
    ] {
        let mut cluster = three();
        set(&mut cluster, "hv1", Role::Coordinator, daemon);
        if !is_present {
            lose(&mut cluster, "hv1");
        }
        assert_eq!(reason(&cluster, "hv2", SOON), expected, "{daemon:?} {is_present}");
        assert_eq!(reason(&cluster, "hv4", SOON), None);
    }
    let mut cluster = three();
    lose(&mut cluster, "hv1");
    let plan = decide(&cluster, &sees("hv2", SOON), NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("it is a record") };
    assert!(records.guards.iter().any(|guard| guard.record == RecordId::Presence(name("hv1"))));
    let mut demoted = three();
    set(&mut demoted, "hv1", Role::Hypervisor, DaemonState::Run);
    assert_eq!(reason(&demoted, "hv2", SOON), Some("role-holder-gone"));
}

#[test]
fn a_holder_that_dies_in_a_handover_is_succeeded_by_its_successor_first() {
    for at_phase in [Phase::Claimed, Phase::Yielded] {
        let mut cluster = three();
        phase(&mut cluster, "hv2", at_phase);
        lose(&mut cluster, "hv1");
        assert_eq!(reason(&cluster, "hv2", SOON), Some("role-holder-gone"));
        assert_eq!(
            (reason(&cluster, "hv3", SOON), reason(&cluster, "hv3", LATE)),
            (None, Some("role-holder-gone"))
        );
        lose(&mut cluster, "hv2");
        assert_eq!(reason(&cluster, "hv3", SOON), Some("role-holder-gone"), "both are gone");
    }
}

#[test]
fn a_successor_that_dies_or_does_not_come_on_loses_the_role_to_its_holder() {
    for at_phase in [Phase::Claimed, Phase::Yielded] {
        let mut cluster = three();
        phase(&mut cluster, "hv2", at_phase);
        assert_eq!(reason(&cluster, "hv1", TOO_LATE), Some("role-taken-back"));
        lose(&mut cluster, "hv2");
        let (primary, reason) = turn(&cluster, &sees("hv1", SOON)).unwrap();
        assert_eq!((primary, reason), (Primary::held(name("hv1"), 2), "role-taken-back"));
    }
}

#[test]
fn every_wait_for_the_other_side_ends() {
    let mut cluster = three();
    phase(&mut cluster, "hv2", Phase::Claimed);
    assert_eq!(
        (reason(&cluster, "hv2", SOON), reason(&cluster, "hv2", LATE)),
        (None, Some("role-holder-hangs"))
    );
    let former = Primary { former: Some(name("hv1")), ..Primary::held(name("hv2"), 2) };
    cluster.primary = Some(at(former));
    assert_eq!(
        (reason(&cluster, "hv2", SOON), reason(&cluster, "hv2", TOO_LATE)),
        (None, Some("role-former-gone"))
    );
    assert_eq!(reason(&cluster, "hv3", TOO_LATE), None);
    lose(&mut cluster, "hv1");
    assert_eq!(reason(&cluster, "hv2", SOON), Some("role-former-gone"));
}

#[test]
fn a_holder_that_stops_is_relieved_first_and_alone_it_just_lets_go() {
    let mut cluster = three();
    set(&mut cluster, "hv1", Role::Coordinator, DaemonState::Shutdown);
    let stops = |node: &str, ago: Span| Observed {
        life: Life::Stopping,
        stopping_since: Some(BootTime(NOW.boot.0 - ago.0)),
        ..sees(node, ago)
    };
    assert!(!is_let_go(&cluster, &stops("hv1", SOON), NOW));
    assert!(is_let_go(&cluster, &stops("hv3", SOON), NOW), "it has nothing to do with the role");
    assert!(is_let_go(&cluster, &stops("hv1", HANDOVER_STOP_MAX), NOW), "it waits no longer than that");
    phase(&mut cluster, "hv2", Phase::Yielded);
    assert!(!is_let_go(&cluster, &stops("hv1", SOON), NOW));
    assert_eq!(turn(&cluster, &stops("hv2", SOON)), None, "who stops itself takes nothing");
    cluster.primary = Some(at(Primary { former: Some(name("hv1")), ..Primary::held(name("hv2"), 2) }));
    assert!(is_let_go(&cluster, &stops("hv1", SOON), NOW));
    let mut alone = one_node();
    set(&mut alone, "hv1", Role::Coordinator, DaemonState::Shutdown);
    alone.primary = Some(at(Primary::held(name("hv1"), 1)));
    assert!(is_let_go(&alone, &stops("hv1", SOON), NOW));
}

/// What `node` sees of its networks: the bridge, and the floating address where it has a lifetime.
fn networked(node: &str, address: Option<Lifetime>) -> Observed {
    let text =
        format!("[network.upstream]\ndevice = 'ens4'\nnetwork = '10.0.0.0/24'\nfloating = '{FLOATING}'");
    let wanted = Config::parse(&text, node).unwrap().networks;
    let bridge = wanted[0].bridge.clone();
    let link = Link {
        name: bridge.clone(),
        index: 3,
        mac: None,
        mtu: 1500,
        state: LinkState::Up,
        kind: LinkKind::Bridge,
        master: None,
    };
    let ip = FLOATING.parse().unwrap();
    let addresses = address.map(|lifetime| Address { link: bridge, ip, prefix_length: 24, lifetime });
    let seen = Seen { links: vec![link], addresses: addresses.into_iter().collect(), ..Seen::default() };
    let wanted = Wanted { own: wanted, guests: None };
    let networks = Networks { wanted, sighting: Sighting::Seen(Arc::new(seen)), at: NOW.boot };
    let lease_until = Some(NOW.boot + Span::seconds(6));
    Observed { networks, lease_until, ..sees(node, SOON) }
}

fn steps(cluster: &Cluster, seen: &Observed) -> Vec<(&'static str, &'static str)> {
    decide(cluster, seen, NOW).steps.iter().map(|step| (step.action.name(), step.reason.name())).collect()
}

const FRESH: Option<Lifetime> = Some(Lifetime::Seconds { valid: 4, preferred: 0 });

#[test]
fn the_holder_has_the_address_for_its_lease_and_tells_everybody_once() {
    let cluster = three();
    let mut seen = networked("hv1", None);
    let plan = decide(&cluster, &seen, NOW);
    let Action::Network(crate::network::Change::EnsureAddress { until, .. }) = &plan.steps[0].action else {
        panic!("{plan:?}")
    };
    assert_eq!(*until, Some(BootTime(NOW.boot.0 + 6_000 - 1_250)));
    assert_eq!((plan.steps[0].not_after, plan.steps[0].guards.len()), (seen.lease_until, 2));
    seen = networked("hv1", FRESH);
    assert_eq!(steps(&cluster, &seen), [("announce-address", "role-told")]);
    let key = (seen.networks.wanted.own[0].bridge.clone(), FLOATING.parse().unwrap());
    seen.announcements.insert(key, 3);
    assert_eq!(steps(&cluster, &seen), []);
    let old = Some(Lifetime::Seconds { valid: 3, preferred: 0 });
    let renewed = Observed { announcements: seen.announcements.clone(), ..networked("hv1", old) };
    assert_eq!(steps(&cluster, &renewed), [("ensure-address", "role-renewed")]);
    let over = Observed { lease_until: Some(NOW.boot + Span(2_000)), ..networked("hv1", None) };
    assert_eq!(steps(&cluster, &over), [], "what would end within a second is not given");
}

#[test]
fn the_successor_has_the_address_before_it_takes_the_role_and_the_former_takes_it_away_afterwards() {
    let mut cluster = three();
    phase(&mut cluster, "hv2", Phase::Claimed);
    assert_eq!(steps(&cluster, &networked("hv2", None)), []);
    phase(&mut cluster, "hv2", Phase::Yielded);
    assert_eq!(steps(&cluster, &networked("hv2", None)), [("ensure-address", "role-here")]);
    let mut there = networked("hv2", FRESH);
    assert_eq!(steps(&cluster, &there), [("announce-address", "role-told")]);
    there.announcements.insert((there.networks.wanted.own[0].bridge.clone(), FLOATING.parse().unwrap()), 4);
    assert_eq!(steps(&cluster, &there), [("record", "role-taken-over")]);
    cluster.primary = Some(at(Primary { former: Some(name("hv1")), ..Primary::held(name("hv2"), 2) }));
    assert_eq!(steps(&cluster, &networked("hv1", FRESH)), [("remove-address", "role-left")]);
    assert_eq!(steps(&cluster, &networked("hv1", None)), [("record", "role-let-go")]);
    assert_eq!(steps(&cluster, &there), [], "it was told when it came");
    cluster.primary = Some(at(Primary::held(name("hv2"), 2)));
    assert_eq!(steps(&cluster, &there), [("announce-address", "role-told")], "and once more, alone");
}

#[test]
fn a_part_that_fails_or_cannot_be_here_degrades_the_role_and_does_not_stop_it() {
    let mut cluster = three();
    phase(&mut cluster, "hv2", Phase::Yielded);
    let mut failed = networked("hv2", None);
    let resource = Resource::Address(failed.networks.wanted.own[0].bridge.clone(), FLOATING.parse().unwrap());
    let failure = |overtaken| StepFailure {
        step: "ensure-address",
        incarnation: 0,
        why: "no".into(),
        at: NOW.boot,
        in_a_row: 1,
        overtaken,
        silent: false,
    };
    failed.failures.insert(resource.clone(), failure(false));
    assert_eq!(turn(&cluster, &failed).unwrap().1, "role-taken-over");
    failed.failures.insert(resource, failure(true));
    assert_eq!(turn(&cluster, &failed), None, "what was only overtaken is waited for");
    let mut bare = networked("hv2", None);
    bare.networks.sighting = Sighting::Seen(Arc::default());
    assert_eq!(turn(&cluster, &bare).unwrap().1, "role-taken-over");
    assert!(troubles(&cluster, &bare, NOW)[0].contains("there is no brupstream"));
    bare.networks.sighting = Sighting::Unknown { why: "hung".into() };
    assert_eq!(turn(&cluster, &bare), None);
    let late = Observed { role_since: sees("hv2", LATE).role_since, ..bare };
    assert_eq!(turn(&cluster, &late).unwrap().1, "role-taken-over", "nothing is waited for without end");
}

#[test]
fn a_former_holder_has_not_let_go_while_its_address_cannot_be_taken_away() {
    let mut cluster = three();
    cluster.primary = Some(at(Primary { former: Some(name("hv1")), ..Primary::held(name("hv2"), 2) }));
    let mut refused = networked("hv1", FRESH);
    let resource =
        Resource::Address(refused.networks.wanted.own[0].bridge.clone(), FLOATING.parse().unwrap());
    let (why, step) = ("no".into(), "remove-address");
    let failure =
        StepFailure { step, incarnation: 0, why, at: NOW.boot, in_a_row: 1, overtaken: false, silent: false };
    refused.failures.insert(resource, failure);
    assert_eq!(steps(&cluster, &refused), [("remove-address", "role-left")]);
    assert_eq!(steps(&cluster, &networked("hv1", None)), [("record", "role-let-go")]);
}

#[test]
fn who_is_not_the_holder_takes_the_address_away_and_a_restarted_holder_leaves_it_until_it_is_known() {
    let mut cluster = three();
    assert_eq!(steps(&cluster, &networked("hv3", FRESH)), [("remove-address", "role-left")]);
    let unannounced = Observed { announced: None, ..networked("hv1", FRESH) };
    assert_eq!(steps(&cluster, &unannounced), []);
    set(&mut cluster, "hv1", Role::Coordinator, DaemonState::Stop);
    assert_eq!(steps(&cluster, &networked("hv1", None)), [], "its own last word is that it has stopped");
}

/// A part of the role that stands as it shall.
fn stands(_: &Stand<'_>) -> Standing {
    Standing { troubles: vec!["the first is slow".into()], ..Standing::default() }
}

/// One that is not there yet.
fn comes(_: &Stand<'_>) -> Standing {
    Standing {
        missing: 1,
        troubles: vec!["the second is slow".into()],
        look_again: Some(NOW.boot + Span(7)),
        ..Standing::default()
    }
}

#[test]
fn every_phase_waits_for_all_parts_and_not_for_one_of_them() {
    let moving = |to: Phase| {
        let mut cluster = three();
        phase(&mut cluster, "hv2", to);
        cluster
    };
    let mut taken = three();
    taken.primary = Some(at(Primary { former: Some(name("hv1")), ..Primary::held(name("hv2"), 2) }));
    for (cluster, node, expected) in [
        (moving(Phase::Claimed), "hv1", "role-yielded"),
        (moving(Phase::Yielded), "hv2", "role-taken-over"),
        (taken.clone(), "hv1", "role-let-go"),
    ] {
        let next = |parts: &[Part], waited| {
            let steps = decide_on(parts, &cluster, &sees(node, waited), NOW).steps;
            steps.first().map(|step| step.reason.name())
        };
        let not_all: [[Part; 2]; 3] = [[stands, comes], [comes, stands], [comes, comes]];
        for parts in not_all {
            assert_eq!(next(&parts, SOON), None, "{expected}");
            assert_eq!(next(&parts, LATE), Some(expected), "nothing is waited for without end");
        }
        assert_eq!(next(&[stands, stands], SOON), Some(expected));
    }
    let stops = Observed { life: Life::Stopping, ..sees("hv1", SOON) };
    let is_let_go = |parts: &[Part]| is_let_go_by(parts, &taken, &stops, NOW);
    assert!(is_let_go(&[stands, stands]));
    assert!(!is_let_go(&[stands, comes]) && !is_let_go(&[comes, stands]));
    let stand = Stand { stance: Stance::Away, primary: None, observed: &stops, now: NOW };
    let both = stand.together(&[stands, comes]);
    assert_eq!((both.troubles.len(), both.look_again), (2, Some(NOW.boot + Span(7))));
}
