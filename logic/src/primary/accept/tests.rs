//! What may be asked of the role: refusals with their words, and what is so already.

use super::super::{Handover, Phase, Primary};
use super::*;
use crate::node::{Node, NodeStatus, Presence};
use crate::record::Record;
use crate::testing::{BOOT, at, cluster as one_node};

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn three() -> Cluster {
    let mut cluster = one_node();
    let known = cluster.node(&name("hv1")).cloned().unwrap();
    for (node, role, daemon) in [
        ("hv1", Role::Coordinator, DaemonState::Run),
        ("hv2", Role::Coordinator, DaemonState::Run),
        ("hv3", Role::Coordinator, DaemonState::Stop),
        ("hv4", Role::Hypervisor, DaemonState::Run),
    ] {
        let entry = NodeEntry {
            node: Some(at(Node { role, ..known.clone() })),
            status: Some(at(NodeStatus { daemon, ..NodeStatus::default() })),
            presence: Some(at(Presence { boot: BOOT, restart_planned: None })),
            ..NodeEntry::default()
        };
        cluster.nodes.insert(name(node), entry.into());
    }
    cluster.primary = Some(at(Primary::held(name("hv1"), 5)));
    cluster
}

fn wish(records: Result<Option<Records>, Refusal>) -> Option<PrimaryWish> {
    let Some(Record::PrimaryWish(wish)) = records.unwrap()?.writes[0].value.clone() else { return None };
    Some(wish)
}

#[test]
fn a_wish_names_the_term_it_is_good_for() {
    let cluster = three();
    assert_eq!(
        wish(wish_primary(&cluster, &name("hv2"))),
        Some(PrimaryWish { term: 5, to: Some(name("hv2")) })
    );
    assert_eq!(wish(wish_secondary(&cluster, &name("hv1"))), Some(PrimaryWish { term: 5, to: None }));
}

#[test]
fn what_is_so_already_writes_nothing() {
    let mut cluster = three();
    assert_eq!(wish_primary(&cluster, &name("hv1")), Ok(None));
    assert_eq!(wish_secondary(&cluster, &name("hv2")), Ok(None));
    cluster.primary_wish = Some(at(PrimaryWish { term: 5, to: Some(name("hv2")) }));
    assert_eq!(wish_primary(&cluster, &name("hv2")), Ok(None));
    assert_eq!(wish_secondary(&cluster, &name("hv1")), Ok(None));
    let back = wish_primary(&cluster, &name("hv1")).unwrap().expect("the wish is taken back");
    assert!(back.writes[0].value.is_none());
    cluster.primary_wish = Some(at(PrimaryWish { term: 4, to: Some(name("hv2")) }));
    assert!(wish_primary(&cluster, &name("hv2")).unwrap().is_some(), "that wish was of another term");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let mut cluster = three();
    let primary = |cluster: &Cluster, node| wish_primary(cluster, &name(node)).unwrap_err().to_string();
    let secondary = |cluster: &Cluster, node| wish_secondary(cluster, &name(node)).unwrap_err().to_string();
    for refusal in [primary, secondary] {
        assert!(refusal(&cluster, "nope").contains("no node of that name"));
        assert!(refusal(&cluster, "hv3").contains("\"stop\""));
        assert!(refusal(&cluster, "hv4").contains("only a coordinator"));
    }
    let handover = Some(Handover { to: name("hv2"), phase: Phase::Claimed });
    cluster.primary = Some(at(Primary { handover, ..Primary::held(name("hv1"), 5) }));
    assert!(primary(&cluster, "hv1").contains("just being taken by node \"hv2\""));
    assert!(secondary(&cluster, "hv2").contains("just being taken"));
    assert_eq!(wish_primary(&cluster, &name("hv2")), Ok(None));
    cluster.primary = None;
    assert!(primary(&cluster, "hv2").contains("within seconds"));
    cluster.settings = None;
    assert!(primary(&cluster, "hv2").contains("pvc cluster init"));
    let mut alone = three();
    alone.nodes.remove(&name("hv2"));
    assert!(secondary(&alone, "hv1").contains("no other coordinator"));
}
