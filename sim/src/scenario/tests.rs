//! The checks of a scenario find what they are for.

use super::*;

#[test]
fn must_lines_are_wanted_in_their_order_and_must_not_lines_nowhere() {
    let script = parse("0s init\n5s end\nmust one\nmust two\nmust not three").unwrap();
    assert_eq!(check("one\ntwo\n", &script), Vec::<String>::new());
    assert_eq!(check("two\none\n", &script).len(), 1);
    assert_eq!(check("one\ntwo\nthree\n", &script).len(), 1);
}

#[test]
fn a_script_that_wants_nothing_is_refused() {
    assert!(parse("0s init\n5s end").is_err());
}

#[test]
fn orders_out_of_time_are_refused() {
    assert!(parse("5s init\n1s end\n0s init\nmust x").is_err());
}

#[test]
fn the_first_line_that_differs_is_told() {
    let folder = std::env::temp_dir().join(format!("scenario-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("expected.log"), "one\ntwo\n").unwrap();
    let told = difference(&folder, "one\nthree\n").unwrap().unwrap();
    let same = difference(&folder, "one\ntwo\n").unwrap();
    let longer = difference(&folder, "one\ntwo\nthree\n").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(told.contains("line 2") && told.contains("two") && told.contains("three"), "{told}");
    assert_eq!(same, None);
    assert!(longer.unwrap().contains("(the end)"));
}
