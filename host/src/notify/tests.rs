//! Tests of what systemd is told.

use super::*;

#[test]
fn systemd_is_told_in_its_own_words_at_a_path_and_at_an_abstract_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let abstract_name = format!("pvc-notify-test-{}", std::process::id());
    let listeners = [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap(),
            format!("@{abstract_name}"),
        ),
    ];
    for (listener, name) in listeners {
        let notify = Notify::new(Some(name), None);
        notify.ready();
        notify.alive();
        notify.stopping();
        listener.set_nonblocking(true).unwrap();
        for expected in ["READY=1", "WATCHDOG=1", "STOPPING=1"] {
            let mut word = [0; 64];
            let length = listener.recv(&mut word).unwrap();
            assert_eq!(&word[..length], expected.as_bytes());
        }
    }
}

#[test]
fn nobody_is_told_where_nobody_listens() {
    Notify::new(None, None).ready();
    Notify::new(Some("/nonexistent/notify".into()), None).ready();
}

#[test]
fn the_watchdogs_time_is_in_microseconds() {
    assert_eq!(Notify::new(None, Some("30000000")).watchdog(), Some(Duration::from_secs(30)));
    assert_eq!(Notify::new(None, Some("soon")).watchdog(), None);
    assert_eq!(Notify::new(None, None).watchdog(), None);
}
