//! Requests about VMs: what each writes, and what is refused with which remedy.

use super::*;
use crate::testing::{self, NOW, VM, cluster_with_vm, xml};
use crate::vm::{Failure, Phase};

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_definition_writes_wish_document_and_name_or_nothing() {
    let cluster = testing::cluster();
    let request = Define {
        xml: xml("web1"),
        tags: vec![("dev".into(), TagMark { protected: true })],
        ..Define::default()
    };
    let defined = define(&cluster, &request, NOW.wall).unwrap();
    assert_eq!((defined.id, defined.name.as_str()), (VM, "web1"));
    assert!(defined.records.writes.iter().all(|write| write.expect == Expect::Absent));
    let written: Vec<_> = defined.records.writes.iter().map(|write| &write.record).collect();
    assert_eq!(
        written,
        [
            &RecordId::Vm(VM),
            &RecordId::VmXml(VM),
            &RecordId::VmName("web1".parse().unwrap()),
            &RecordId::NodeLedger(testing::hv1())
        ]
    );
}

#[test]
fn a_definition_is_refused_with_the_thing_and_the_remedy() {
    let cluster = cluster_with_vm(Power::Stop, None);
    let other = xml("other").replace("bdd640fb", "00000000");
    let with = |change: &dyn Fn(&mut Define)| {
        let mut request = Define { xml: other.clone(), ..Define::default() };
        change(&mut request);
        refused(define(&cluster, &request, NOW.wall))
    };
    for (said, part) in [
        (with(&|r| r.xml = xml("other")), "UUID bdd640fb"),
        (with(&|r| r.xml = xml("web1").replace("bdd640fb", "00000000")), "named \"web1\" exists"),
        (with(&|r| r.xml = "<domain>".into()), "not well-formed"),
        (with(&|r| r.node = Some("nope".into())), "Specified node \"nope\" is invalid"),
        (with(&|r| r.meta.node_limit = Some(vec!["nope".into()])), "Specified node \"nope\" is invalid"),
        (
            with(&|r| r.xml = other.replace(">1024<", ">99999999<")),
            "MiB of memory, but node \"hv1\" has 8192",
        ),
        (with(&|r| r.xml = other.replace("<vcpu>1", "<vcpu>5")), "5 vCPUs, but node \"hv1\" has 4"),
        (with(&|r| r.tags = vec![("a b".into(), TagMark { protected: false })]), "tag \"a b\" is not valid"),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let empty = Cluster::default();
    assert!(refused(define(&empty, &Define::default(), NOW.wall)).contains("pvc cluster init"));
}

#[test]
fn a_new_document_must_be_of_the_same_vm() {
    let cluster = cluster_with_vm(Power::Stop, None);
    let renamed = refused(modify(&cluster, VM, &xml("other"), Restart::No, NOW.wall));
    assert!(renamed.contains("pvc vm rename"), "{renamed}");
    let foreign = xml("web1").replace("bdd640fb", "00000000");
    assert!(refused(modify(&cluster, VM, &foreign, Restart::No, NOW.wall)).contains("keeps its UUID"));
    assert!(modify(&cluster, VM, &xml("web1"), Restart::No, NOW.wall).is_ok());
}

#[test]
fn a_change_with_restart_restarts_only_what_runs() {
    for (power, expected) in [(Power::Start, Power::Restart), (Power::Stop, Power::Stop)] {
        let cluster = cluster_with_vm(power, None);
        let records = modify(&cluster, VM, &xml("web1"), Restart::Yes, NOW.wall).unwrap();
        assert_eq!(testing::written_vm(&records).wish.power, expected);
    }
}

#[test]
fn every_state_answers_every_power_request() {
    let fact = |wish_done, phase, failure: Option<Failure>| {
        let mut fact = testing::fact(phase);
        fact.wish_done = wish_done;
        fact.failure = failure;
        Some(fact)
    };
    let failure = Some(Failure { reason: "x".into(), attempts: 1, retry_at: NOW.boot });
    let states = [
        (State::Start, Power::Start, fact(1, Phase::Running, None)),
        (State::Shutdown, Power::Shutdown, fact(0, Phase::Running, None)),
        (State::Stop, Power::Stop, fact(1, Phase::Stopped, None)),
        (State::Restart, Power::Restart, fact(0, Phase::Running, None)),
        (State::Disable, Power::Disable, fact(1, Phase::Stopped, None)),
        (State::Fail, Power::Start, fact(0, Phase::Stopped, failure)),
        (State::Delete, Power::Remove, fact(0, Phase::Running, None)),
    ];
    use PowerRequest::{Disable, Restart, Shutdown, Start, Stop};
    let allowed: BTreeMap<State, &[PowerRequest]> = BTreeMap::from([
        (State::Start, [Start, Shutdown, Stop, Restart, Disable].as_slice()),
        (State::Shutdown, &[Start, Shutdown, Stop, Disable]),
        (State::Stop, &[Start, Stop, Disable]),
        (State::Restart, &[Start, Shutdown, Stop, Disable]),
        (State::Disable, &[Disable]),
        (State::Fail, &[Start, Shutdown, Stop, Disable]),
        (State::Delete, &[]),
    ]);
    for (state, power, fact) in states {
        let cluster = cluster_with_vm(power, fact);
        assert_eq!(shown_state(&cluster.vms[&VM]), state);
        for request in [Start, Shutdown, Stop, Restart, Disable] {
            let answer = wish_power(&cluster, VM, request, Force::No, NOW.wall);
            assert_eq!(
                answer.is_ok(),
                allowed[&state].contains(&request),
                "{request:?} in {state}: {answer:?}"
            );
            if let Ok(records) = answer {
                assert_eq!(testing::written_vm(&records).wish.serial, 2);
            }
        }
    }
    let disabled = cluster_with_vm(Power::Disable, fact(1, Phase::Stopped, None));
    assert!(wish_power(&disabled, VM, Start, Force::Yes, NOW.wall).is_ok());
    let now = wish_power(&disabled, VM, Disable, Force::Yes, NOW.wall).unwrap();
    assert_eq!(testing::written_vm(&now).wish.power, Power::DisableNow);
}

#[test]
fn tags_are_added_once_and_protected_ones_stay() {
    let cluster = cluster_with_vm(Power::Stop, None);
    let add = |tag| set_tag(&cluster, VM, tag, TagChange::Add(TagMark { protected: false }));
    assert!(testing::written_vm(&add("new").unwrap()).tags.contains_key(&"new".parse().unwrap()));
    assert!(refused(add("kept")).contains("has this tag already"));
    assert!(refused(set_tag(&cluster, VM, "kept", TagChange::Remove)).contains("protected"));
    assert!(refused(set_tag(&cluster, VM, "nope", TagChange::Remove)).contains("does not have"));
}

#[test]
fn a_rename_needs_a_vm_that_is_down_and_moves_its_name() {
    let running = cluster_with_vm(Power::Start, Some(testing::fact(Phase::Running)));
    assert!(refused(rename(&running, VM, "db1")).contains("stop it before"));
    let stopped = cluster_with_vm(Power::Stop, Some(testing::fact(Phase::Stopped)));
    assert!(refused(rename(&stopped, VM, "web1")).contains("exists already"));
    assert!(refused(rename(&stopped, VM, "a/b")).contains("not valid"));
    let records = rename(&stopped, VM, "db1").unwrap();
    assert_eq!(testing::written_vm(&records).name.as_str(), "db1");
    assert!(
        records
            .writes
            .iter()
            .any(|w| w.record == RecordId::VmName("web1".parse().unwrap()) && w.value.is_none())
    );
}

#[test]
fn what_runs_is_removed_by_its_node_and_what_is_down_at_once() {
    let running = cluster_with_vm(Power::Start, Some(testing::fact(Phase::Running)));
    let records = undefine(&running, VM, NOW.wall).unwrap();
    assert_eq!(testing::written_vm(&records).wish.power, Power::Remove);
    let down = cluster_with_vm(Power::Stop, Some(testing::fact(Phase::Stopped)));
    let records = undefine(&down, VM, NOW.wall).unwrap();
    let deleted = records.writes.iter().filter(|write| write.value.is_none()).count();
    assert_eq!(deleted, 4, "wish, word, document and name");
    let kept: Vec<_> = records.writes.iter().filter(|write| write.value.is_some()).collect();
    assert!(matches!(kept[..], [spent] if spent.record == RecordId::Incarnations), "{kept:?}");
}

#[test]
fn what_does_not_run_is_disabled_at_once_and_what_runs_when_it_is_down() {
    for (phase, expected) in [(Phase::Stopped, State::Disable), (Phase::Running, State::Shutdown)] {
        let word = crate::vm::VmFact { wish_done: 0, ..testing::fact(phase) };
        let cluster = cluster_with_vm(Power::Disable, Some(word));
        assert_eq!(shown_state(&cluster.vms[&VM]), expected);
    }
    assert_eq!(shown_state(&cluster_with_vm(Power::Disable, None).vms[&VM]), State::Disable);
}
