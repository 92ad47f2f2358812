//! What counts as counting.

use std::sync::mpsc;

use super::{counted, listen};

#[test]
fn only_the_own_nonce_counts() {
    assert_eq!(counted("hello abcd 7", "abcd"), Some(7));
    assert_eq!(counted("[    2.1] hello abcd 7", "abcd"), Some(7));
    assert_eq!(counted("hello dcba 7", "abcd"), None);
    assert_eq!(counted("hello abcd", "abcd"), None);
    assert_eq!(counted("hello is up after 2 s", "abcd"), None);
}

#[test]
fn a_console_that_ends_without_counting_on_is_told_with_its_last_lines() {
    let (tell, hear) = mpsc::channel();
    tell.send("hello abcd 1".to_owned()).unwrap();
    tell.send("Kernel panic".to_owned()).unwrap();
    drop(tell);
    let error = listen(&hear, "abcd").unwrap_err().to_string();
    assert!(error.contains("Kernel panic"), "{error}");
}
