//! Why a VM is where it is: each reason an operator may meet, and each node's answer.

use std::sync::Arc;

use super::*;
use crate::node::place::tests::{add, name};
use crate::testing::{VM, at, cluster_with_vm, fact};
use crate::vm::{Failure, MigrationMethod, Phase, Power, Transfer};

/// Three nodes that run, of which `hv1` has the VM.
fn three() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    add(&mut cluster, "hv1", 0.5);
    add(&mut cluster, "hv2", 0.1);
    add(&mut cluster, "hv3", 2.0);
    cluster
}

fn with(change: impl FnOnce(&mut VmEntry)) -> Cluster {
    let mut cluster = three();
    change(Arc::make_mut(cluster.vms.get_mut(&VM).unwrap()));
    cluster
}

fn why(cluster: &Cluster) -> Why {
    answer(cluster, VM, &cluster.vms[&VM])
}

fn of<'a>(why: &'a Why, node: &str) -> &'a Candidate {
    why.candidates.iter().find(|candidate| candidate.node == name(node)).unwrap()
}

#[track_caller]
fn says(why: &Why, part: &str) {
    assert!(
        why.reasons.iter().any(|reason| reason.contains(part)),
        "\"{part}\" is not in {:#?}",
        why.reasons
    );
}

#[test]
fn a_vm_at_home_stays_there_because_nothing_moves_it() {
    let why = why(&three());
    assert_eq!((why.state, why.target.clone(), why.next.clone()), (State::Start, None, Some(name("hv2"))));
    says(&why, "at home on node \"hv1\"");
    says(&why, "Any node may have it; its selector is \"none\"");
    says(&why, "No node is better for it than its own; of the others, \"hv2\"");
    let parts = why.candidates.iter().map(|candidate| candidate.part);
    assert_eq!(parts.collect::<Vec<_>>(), [Part::Owner, Part::Next, Part::Open]);
    assert_eq!(of(&why, "hv1").words, "has the VM; 8192 MiB are promised to nobody, without this VM");
    let hv3 = of(&why, "hv3");
    assert_eq!(hv3.words, "8192 MiB are promised to nobody: no better than the VM's own node");
    assert_eq!(hv3.answer, Ok(Score(8192)));
}

#[test]
fn a_better_node_is_named_with_what_brings_the_vm_there() {
    let why = why(&with(|entry| entry.vm.value.meta.node_selector = Selector::Load));
    says(&why, "If it were placed anew now, it would go to \"hv2\"; a move brings it there.");
    assert!(of(&why, "hv2").words.starts_with("its load is 0.100: better than"), "{why:#?}");
    assert_eq!(of(&why, "hv3").words, "its load is 2.000: not as good as the VM's own node");
}

#[test]
fn a_node_that_is_barred_says_why() {
    let limited = with(|entry| entry.vm.value.meta.node_limit = vec![name("hv1"), name("hv3")]);
    let told = why(&limited);
    says(&told, "Only \"hv1\", \"hv3\" may have it");
    let hv2 = of(&told, "hv2");
    assert_eq!((hv2.part, &hv2.answer), (Part::Barred, &Err(Bar::OutsideLimit)));
    assert_eq!(hv2.words, "it is not within the VM's node limit");
    let large = why(&with(|entry| entry.vm.value.memory_mib = 9000));
    says(&large, "No other node can take it now.");
    assert!(
        of(&large, "hv1").words.starts_with("has the VM, but could not take it anew: the VM needs 9000 MiB")
    );
    assert_eq!(large.next, None);
}

#[test]
fn a_transfer_is_told_with_its_target_and_what_comes_after() {
    for (home, after) in [(None, "it is to settle there"), (Some(name("hv1")), "its home stays \"hv1\"")] {
        let moving = with(|entry| {
            let how = MigrationMethod::None;
            entry.vm.value.transfer = Some(Transfer { to: name("hv3"), home, how, away_since: 0 });
        });
        let why = why(&moving);
        assert_eq!((why.state, why.target.clone()), (State::Migrate, Some(name("hv3"))));
        says(&why, "which is to hand it over to \"hv3\"");
        says(&why, after);
        assert_eq!(of(&why, "hv3").part, Part::Target);
        assert!(of(&why, "hv3").words.starts_with("is to get the VM; 8192 MiB"));
    }
}

#[test]
fn a_transfer_that_no_longer_counts_is_not_told() {
    let stopped = with(|entry| {
        let how = MigrationMethod::None;
        entry.vm.value.wish.power = Power::Stop;
        entry.vm.value.transfer = Some(Transfer { to: name("hv3"), home: None, how, away_since: 0 });
    });
    assert_eq!(why(&stopped).target, None);
    says(&why(&stopped), "at home on node \"hv1\"");
}

#[test]
fn a_vm_that_is_away_knows_its_home() {
    let why = why(&with(|entry| entry.vm.value.last_node = Some(name("hv2"))));
    says(&why, "was migrated to node \"hv1\" for a while; its home is \"hv2\"");
}

#[test]
fn a_failure_is_told_with_its_reason() {
    let failed = with(|entry| {
        let mut word = fact(Phase::Stopped);
        let failure =
            Failure { reason: "no such disk".into(), attempts: 1, retry_at: crate::testing::NOW.boot };
        word.failure = Some(failure);
        entry.fact = Some(at(word));
    });
    says(&why(&failed), "It is in state \"fail\": no such disk.");
}

#[test]
fn a_vm_whose_node_is_lost_waits_and_that_is_said() {
    let mut cluster = three();
    Arc::make_mut(cluster.nodes.get_mut(&name("hv1")).unwrap()).presence = None;
    says(&why(&cluster), "so the VM waits for it");
    assert!(
        of(&why(&cluster), "hv1").words.starts_with("has the VM, but could not take it anew: its daemon")
    );
    cluster.nodes.remove(&name("hv1"));
    says(&why(&cluster), "Node \"hv1\" is not registered");
}

#[test]
fn every_selector_says_what_it_measures() {
    for (selector, words) in [
        (Selector::None, "8192 MiB are promised to nobody"),
        (Selector::Mem, "8192 MiB are promised to nobody"),
        (Selector::MemProv, "8192 MiB are provisioned to no VM"),
        (Selector::Load, "its load is 2.000"),
        (Selector::Vcpus, "0 vCPUs are promised"),
        (Selector::Vms, "0 VMs run or are to run"),
    ] {
        let why = why(&with(|entry| entry.vm.value.meta.node_selector = selector));
        assert!(of(&why, "hv3").words.starts_with(words), "{selector:?}: {}", of(&why, "hv3").words);
    }
    assert_eq!(measured(Score(-512), Selector::MemProv), "512 MiB more are provisioned than it has");
    assert_eq!(measured(Score(-512), Selector::Mem), "512 MiB more are promised than it has");
}
