//! The archive, entry by entry.

use super::{Archive, Entry};

#[test]
fn an_archive_has_aligned_entries_and_a_trailer() {
    let mut archive = Archive::default();
    archive.add("bin", Entry::Folder);
    archive.add("bin/a", Entry::Program(b"abc"));
    archive.add("b", Entry::Link("bin/a"));
    let bytes = archive.finished();
    let text = String::from_utf8_lossy(&bytes);
    let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 4);
    assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
    assert_eq!(bytes.len() % 4, 0);
    assert!(text.contains("TRAILER!!!\0"));
    let file = &text[starts[1]..];
    assert_eq!(&file[54..62], "00000003", "the size of the content");
    assert_eq!(&file[94..102], "00000006", "the length of the name with its end");
    assert_eq!(&file[14..22], "000081ed", "a file that may be executed");
}
