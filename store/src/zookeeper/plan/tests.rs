//! Plans: what is checked, made, written and removed, and in which order.

use super::*;
use crate::Guard;

fn key(name: &str) -> Key {
    Key::new(&format!("/pvc/vms{name}"))
}

fn nodes_of(seen: &[(&str, u64, i32, Holds, usize)]) -> Nodes {
    let places = ["/pvc", "/pvc/vms"].map(|path| (Key::new(path), place(9)));
    let given = seen.iter().map(|(name, version, data_version, value, children)| {
        let version = Version(*version);
        (key(name), Seen { version, data_version: *data_version, value: *value, children: *children })
    });
    places.into_iter().chain(given).collect()
}

fn place(children: usize) -> Seen {
    Seen { version: Version(1), data_version: 0, value: Holds::Nothing, children }
}

fn op(name: &str, expect: Expect, value: Option<&str>) -> Op {
    Op { key: key(name), expect, value: value.map(|value| value.as_bytes().to_vec()) }
}

fn planned(guards: &[(&str, Expect)], ops: Vec<Op>, nodes: &Nodes) -> Result<Plan, Key> {
    let guards = guards.iter().map(|(name, expect)| Guard { key: key(name), expect: *expect }).collect();
    plan(&Transaction { guards, ops }, nodes, 7)
}

fn create(name: &str, value: &str) -> Step {
    Step::Create(key(name), value.into())
}

fn set(name: &str, value: &str, data_version: i32) -> Step {
    Step::Set(key(name), value.into(), data_version)
}

fn deleted() -> Step {
    Step::Set(Key::new(DELETIONS), Vec::new(), 7)
}

fn none_deleted() -> Step {
    Step::Check(Key::new(DELETIONS), 7)
}

#[test]
fn a_version_is_checked_by_the_data_version_that_stands_for_it() {
    let nodes = nodes_of(&[("/a", 50, 3, Holds::Value, 0), ("/b", 51, 4, Holds::Value, 0)]);
    let guards = [("/a", Expect::Version(Version(50)))];
    let plan = planned(&guards, vec![op("/b", Expect::Present, Some("x"))], &nodes).unwrap();
    assert_eq!(plan.steps, [Step::Check(key("/a"), 3), set("/b", "x", 4), none_deleted()]);
}

#[test]
fn the_first_key_that_is_not_as_expected_is_named() {
    let nodes = nodes_of(&[("/a", 50, 3, Holds::Value, 0), ("/place", 50, 0, Holds::Nothing, 1)]);
    let stale =
        planned(&[("/a", Expect::Version(Version(49)))], vec![op("/a", Expect::Absent, None)], &nodes);
    assert_eq!(stale, Err(key("/a")));
    assert_eq!(planned(&[], vec![op("/place", Expect::Present, None)], &nodes), Err(key("/place")));
    assert_eq!(planned(&[("/none", Expect::Present)], Vec::new(), &nodes), Err(key("/none")));
}

#[test]
fn a_value_is_made_after_the_places_above_it_and_each_place_once() {
    let nodes = nodes_of(&[]);
    let ops = vec![op("/a/b/c", Expect::Absent, Some("1")), op("/a/b", Expect::Absent, Some("2"))];
    let plan = planned(&[], ops, &nodes).unwrap();
    assert_eq!(
        plan.steps,
        [create("/a", ""), create("/a/b", "2"), create("/a/b/c", ""), set("/a/b/c", "1", 0)]
    );
}

#[test]
fn that_a_key_is_missing_is_proved_by_making_the_highest_missing_one_above_it() {
    let nodes = nodes_of(&[]);
    let guards = [("/a/b", Expect::Absent), ("/a/c", Expect::Absent)];
    let plan = planned(&guards, vec![op("/a/d", Expect::Absent, Some("x"))], &nodes).unwrap();
    let proof = [create("/a", ""), Step::Delete(key("/a"), 0)];
    assert_eq!(plan.steps[..2], proof);
    assert_eq!(plan.steps[2..], [create("/a", ""), create("/a/d", ""), set("/a/d", "x", 0), none_deleted()]);
}

#[test]
fn a_place_counts_as_missing_and_is_checked_as_it_is() {
    let nodes = nodes_of(&[("/a", 50, 2, Holds::Nothing, 1)]);
    let plan = planned(&[("/a", Expect::Absent)], Vec::new(), &nodes).unwrap();
    assert_eq!(plan.steps, [Step::Check(key("/a"), 2), none_deleted()]);
    let plan = planned(&[], vec![op("/a", Expect::Absent, Some("x"))], &nodes).unwrap();
    assert_eq!(plan.steps, [set("/a", "x", 2), none_deleted()]);
}

#[test]
fn a_deletion_takes_what_is_below_first_and_leaves_no_place_behind() {
    let nodes = nodes_of(&[
        ("/a", 50, 0, Holds::Nothing, 1),
        ("/a/b", 51, 5, Holds::Value, 1),
        ("/a/b/c", 52, 6, Holds::Value, 0),
    ]);
    let ops = vec![op("/a/b", Expect::Present, None), op("/a/b/c", Expect::Present, None)];
    let plan = planned(&[], ops, &nodes).unwrap();
    let gone = [Step::Delete(key("/a/b/c"), 6), Step::Delete(key("/a/b"), 5), Step::Delete(key("/a"), 0)];
    assert_eq!(plan.steps[..3], gone);
    assert_eq!(plan.steps[3..], [deleted()]);
}

#[test]
fn what_is_deleted_with_something_left_below_it_becomes_a_place() {
    let nodes = nodes_of(&[("/a", 50, 5, Holds::Value, 1), ("/b", 51, 6, Holds::Value, 0)]);
    let plan = planned(&[], vec![op("/a", Expect::Present, None)], &nodes).unwrap();
    assert_eq!(plan.steps, [set("/a", "", 5), none_deleted()]);
    let ops = vec![op("/b", Expect::Present, None), op("/b/new", Expect::Absent, Some("x"))];
    let plan = planned(&[], ops, &nodes).unwrap();
    assert_eq!(plan.steps, [create("/b/new", "x"), set("/b", "", 6), none_deleted()]);
}

#[test]
fn many_small_writes_are_refused_by_the_size_of_their_request() {
    let nodes = nodes_of(&[]);
    let ops = (0..12_000).map(|number| op(&format!("/{number}"), Expect::Absent, Some("x"))).collect();
    let error = planned(&[], ops, &nodes).unwrap().check_size().unwrap_err();
    assert!(error.bytes > 1_000_000 && error.bytes_max == 1_000_000, "{error}");
}
