//! The log goes on in a new file when the old one was moved away.

use super::*;

fn write(log: &Logfile, line: &str) {
    log.make_writer().write_all(line.as_bytes()).unwrap();
}

#[test]
fn after_it_was_moved_away_the_log_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("below/a.log"), folder.path().join("a.log.1"));
    let log = Logfile::open(&path).unwrap();
    write(&log, "one\n");
    std::fs::rename(&path, &moved).unwrap();
    write(&log, "two\n");
    log.reopen().unwrap();
    write(&log, "three\n");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_in_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/a.log");
    let log = Logfile::open(&path).unwrap();
    let moved = folder.path().join("elsewhere");
    std::fs::rename(path.parent().unwrap(), &moved).unwrap();
    assert!(log.reopen().is_err());
    write(&log, "one\n");
    assert_eq!(std::fs::read_to_string(moved.join("a.log")).unwrap(), "one\n");
}
