//! What only a unix socket can show, and nodes that do not behave.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Client, Error, Patience};
use link::frame::Frame;
use link::message::{Header, VERSIONS, Versions};
use link::transport::listen_unix;

#[test]
fn a_silent_node_is_given_up_in_time() {
    let (here, there) = UnixStream::pair().unwrap();
    let patience = Patience { answer: Duration::from_millis(100), next: Duration::from_millis(100) };
    let begun = Instant::now();
    assert_eq!(Client::over(Box::new(here), patience).unwrap_err(), Error::Silent { wait_ms: 100 });
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(there);
}

#[test]
fn a_node_that_sends_byte_by_byte_does_not_stretch_the_deadline() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let patience = Patience { answer: Duration::from_millis(200), next: Duration::from_millis(200) };
    let trickle = thread::spawn(move || {
        let hello = Frame::from(Header::Hello { versions: VERSIONS }).encode().unwrap();
        for byte in hello {
            thread::park_timeout(Duration::from_millis(50));
            if there.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(Client::over(Box::new(here), patience).unwrap_err(), Error::Silent { wait_ms: 200 });
    trickle.join().unwrap();
}

#[test]
fn a_node_of_another_version_is_named_as_such() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let versions = Versions { oldest: 7, newest: 9 };
    there.write_all(&Frame::from(Header::Hello { versions }).encode().unwrap()).unwrap();
    let error = Client::over(Box::new(here), Patience::default()).unwrap_err();
    assert_eq!(error, Error::Version { oldest: 7, newest: 9 });
}

#[test]
fn nobody_at_the_path_is_unreachable_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody.sock");
    let error = Client::connect_unix(&path, Patience::default()).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { at, .. } if at.ends_with("nobody.sock")), "{error}");
}

#[test]
fn a_socket_file_that_a_dead_process_left_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.sock");
    drop(listen_unix(&path).unwrap());
    assert!(path.exists());
    let living = listen_unix(&path).unwrap();
    assert_eq!(listen_unix(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(living);
}
