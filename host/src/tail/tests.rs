//! Tests of reading the end of a file that is rotated, cut or not there yet.

use std::fs;
use std::io::Write;

use super::*;

#[test]
fn the_last_lines_are_given_and_no_more() {
    for (text, lines, expected) in [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\n", 5, "a\n"),
        ("", 5, ""),
        ("a\nb\n", 0, ""),
        ("\n\n\n", 2, "\n\n"),
    ] {
        assert_eq!(cut(text.as_bytes(), lines), expected.as_bytes(), "{lines} of {text:?}");
    }
}

#[test]
fn a_file_is_followed_from_before_it_exists_and_across_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("c.log"), folder.path().join("c.log.0"));
    let (end, mut follow) = Follow::start(&path, 10).unwrap();
    assert_eq!((end, follow.next().unwrap()), (Vec::new(), Vec::new()));
    fs::write(&path, "one\n").unwrap();
    assert_eq!(follow.next().unwrap(), b"one\n");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"two\n").unwrap();
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "three\n").unwrap();
    assert_eq!(follow.next().unwrap(), b"two\n");
    assert_eq!(follow.next().unwrap(), b"three\n");
    assert_eq!(last_lines(&path, 2).unwrap(), b"two\nthree\n");
    fs::write(&path, "4\n").unwrap();
    assert_eq!(follow.next().unwrap(), b"4\n");
}
