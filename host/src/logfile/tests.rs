//! Tests of the log file that can be opened anew.

use super::*;

#[test]
fn a_file_moved_away_is_let_go_when_it_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("sub/a.log"), folder.path().join("old.log"));
    let mut log = LogFile::open(&path).unwrap();
    log.write_all(b"one\n").unwrap();
    std::fs::rename(&path, &old).unwrap();
    log.write_all(b"two\n").unwrap();
    log.reopen().unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!(std::fs::read_to_string(old).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
}
