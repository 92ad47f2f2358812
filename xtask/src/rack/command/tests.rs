//! What the words of `lab` are taken for, and that those which mean nothing are refused before anything is touched.

use super::*;

fn refused<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    format!("{:#}", outcome.expect_err("it means nothing"))
}

#[test]
fn a_machine_is_told_by_its_number_or_its_name_and_by_nothing_else() {
    for (word, expected) in [("1", 1), ("pvc1", 1), ("12", 12), ("pvc20", 20), ("255", 255)] {
        assert_eq!(number(word).expect(word), expected);
    }
    for word in ["", "pvc", "0", "pvc0", "-1", "+1", "1.0", "256", "one", "pvcpvc1", "1pvc", "PVC1", "switch"]
    {
        let told = refused(number(word));
        assert_eq!(told, format!("\"{word}\" is no number of a machine"));
    }
}

#[test]
fn a_pair_is_of_two_machines() {
    assert_eq!(pair("1", "pvc3").expect("they are two"), (1, 3));
    assert_eq!(pair("3", "1").expect("they are two"), (3, 1));
    assert!(refused(pair("2", "pvc2")).contains("always hears itself"));
    assert!(refused(pair("2", "cluster")).contains("\"cluster\" is no number"));
    assert!(refused(pair("x", "2")).contains("\"x\" is no number"));
}

#[test]
fn a_cable_or_a_pair_is_cut_on_the_network_that_is_named_or_on_all() {
    assert_eq!(one_or_all(&[]).expect("it is all"), None);
    for network in Network::ALL {
        assert_eq!(one_or_all(&[network.name()]).expect("it is one"), Some(network));
    }
    let told = refused(one_or_all(&["lan"]));
    assert_eq!(told, "\"lan\" is none of upstream, cluster, storage");
}

/// Nodes, coordinators and ZooKeeper servers.
fn counts(words: &[&str]) -> (u8, u8, u8) {
    let plan = planned(words).expect("it means something");
    (plan.nodes, plan.coordinators, plan.servers)
}

#[test]
fn a_lab_has_three_nodes_unless_it_is_said_otherwise_in_whatever_order() {
    for (words, expected) in [
        (vec![], (3, 3, 3)),
        (vec!["--nodes", "1"], (1, 1, 1)),
        (vec!["--nodes", "2"], (2, 2, 1)),
        (vec!["--nodes", "5"], (5, 3, 3)),
        (vec!["--nodes", "5", "--coordinators", "5"], (5, 5, 3)),
        (vec!["--coordinators", "2", "--nodes", "5"], (5, 2, 3)),
        (vec!["--zookeeper", "1", "--nodes", "4"], (4, 3, 1)),
        (vec!["--nodes", "4", "--nodes", "6"], (6, 3, 3)),
    ] {
        assert_eq!(counts(&words), expected, "{words:?}");
    }
    let usual = planned(&[]).expect("it means something");
    assert_eq!((usual.profile, usual.storage), (Profile::Release, Storage::None));
    for words in [["--dev", "--ceph", "--nodes", "4"], ["--nodes", "4", "--ceph", "--dev"]] {
        let plan = planned(&words).expect("it means something");
        assert_eq!((plan.profile, plan.storage, plan.nodes), (Profile::Dev, Storage::Ceph, 4), "{words:?}");
    }
}

#[test]
fn a_lab_that_cannot_be_asked_for_is_refused_with_the_word() {
    for (words, told) in [
        (vec!["--nodes"], "--nodes needs a number"),
        (vec!["--zookeeper", "--dev"], "--zookeeper needs a number, and \"--dev\" is none"),
        (vec!["--coordinators", "two"], "--coordinators needs a number, and \"two\" is none"),
        (vec!["--nodes", "300"], "--nodes needs a number, and \"300\" is none"),
        (vec!["--nodes", "3", "--fast"], "--fast is not known here"),
        (vec!["4"], "4 is not known here"),
    ] {
        assert!(refused(planned(&words)).contains(told), "{words:?}");
    }
    for (words, told) in [
        (["--nodes", "0"], "1 to 20 machines, not 0"),
        (["--nodes", "21"], "1 to 20 machines, not 21"),
        (["--coordinators", "4"], "4 coordinators of 3"),
        (["--coordinators", "0"], "0 coordinators of 3"),
        (["--zookeeper", "2"], "2 ZooKeeper servers"),
    ] {
        let plan = planned(&words).expect("the words are known");
        assert!(refused(plan.check()).contains(told), "{words:?}");
    }
}

#[test]
fn words_that_mean_nothing_are_answered_with_what_could_be_said() {
    let nowhere = Path::new("/nowhere/xtask");
    for words in [
        vec![],
        vec!["nonsense"],
        vec!["kill"],
        vec!["kill", "1", "2"],
        vec!["cut"],
        vec!["cut", "1", "cluster", "storage"],
        vec!["drop", "1"],
        vec!["drop", "1", "2", "cluster", "storage"],
        vec!["exec", "1"],
        vec!["exec", "switch"],
        vec!["heal", "1"],
    ] {
        let code = run(&words, nowhere).expect("it is told how it is used");
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)), "{words:?}");
    }
    // Nothing is looked for before the words are understood.
    for words in [vec!["cut", "x"], vec!["cut", "1", "lan"], vec!["drop", "1", "1"], vec!["drop", "1", "x"]] {
        let told = refused(run(&words, nowhere));
        let named = ["is no number", "is none of", "always hears itself"];
        assert!(named.iter().any(|part| told.contains(part)), "{words:?}: {told}");
    }
}
