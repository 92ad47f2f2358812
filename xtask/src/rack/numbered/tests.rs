//! The numbered log: every way in which one can be wrong is found.

use super::*;

/// A disk of eight blocks with these texts, from block 0 on.
fn disk(blocks: &[&str]) -> Vec<u8> {
    let mut content = vec![0; 8 * BLOCK];
    for (block, text) in content.chunks_mut(BLOCK).zip(blocks).filter(|(_, text)| !text.is_empty()) {
        block.fill(b' ');
        block[..text.len()].copy_from_slice(text.as_bytes());
        block[BLOCK - 1] = b'\n';
    }
    content
}

fn wrong(blocks: &[&str]) -> String {
    format!("{:#}", NumberedLog::parse("w", &disk(blocks)).unwrap_err())
}

fn log(last: u64) -> NumberedLog {
    NumberedLog { last, boots: Vec::new() }
}

#[test]
fn a_whole_log_tells_its_boots() {
    let log = NumberedLog::parse("w", &disk(&["", "w 1 a", "w 2 a", "w 3 b"])).unwrap();
    assert_eq!(log, NumberedLog { last: 3, boots: vec![("a".into(), 1..=2), ("b".into(), 3..=3)] });
    assert_eq!(NumberedLog::parse("w", &disk(&[])).unwrap(), NumberedLog::default());
}

#[test]
fn what_is_missing_or_in_a_wrong_place_is_found() {
    assert!(wrong(&["", "w 1 a", "", "w 3 a"]).contains("number 2 is missing"));
    assert!(wrong(&["", "w 1 a", "w 1 a"]).contains("block 2 holds \"w 1 a\""));
    assert!(wrong(&["w 0 a"]).contains("block 0"));
    assert!(wrong(&["", "v 1 a"]).contains("block 1"));
    assert!(NumberedLog::parse("w", &[]).is_err());
}

#[test]
fn boots_that_take_turns_are_two_writers() {
    assert!(wrong(&["", "w 1 a", "w 2 b", "w 3 a"]).contains("two wrote"));
}

#[test]
fn a_number_is_told_by_a_whole_line() {
    let told = Told::parse("w", ["hello w 1\r\nhello w 2\r\nhello w", "noise\nhello w 4\nhello w 5"]);
    assert_eq!(told, Told(vec![vec![1, 2], vec![4]]));
    assert_eq!(told.highest(), 4);
    told.agrees(&log(4), 0).unwrap();
    told.agrees(&log(5), 0).unwrap();
    assert!(told.agrees(&log(3), 0).is_err(), "4 was told and is not there");
    assert!(told.agrees(&log(8), 0).is_err(), "5 to 8 were never told");
    assert!(told.agrees(&log(4), 1).is_err(), "1 was told again");
}

#[test]
fn what_is_told_again_is_found_on_whatever_console() {
    let once = Told::parse("w", ["hello w 1\n", ""]);
    let twice = Told::parse("w", ["hello w 1\n", "hello w 1\n"]);
    assert!(twice.agrees(&log(1), 0).is_err());
    assert_eq!(twice.since(&once), Told(vec![vec![], vec![1]]));
    twice.since(&once).agrees(&log(1), 0).unwrap();
}
