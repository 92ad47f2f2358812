//! Tests of the adapter that need no libvirt: what it does while there is none.

use super::*;

const VM: VmId = VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d"));

fn deadlines() -> Deadlines {
    Deadlines { look: Duration::from_secs(60), change: Duration::from_secs(60) }
}

#[test]
fn it_is_opened_though_no_libvirt_is_there_and_each_call_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("qemu+unix:///system?socket={}/none", folder.path().display());
    let libvirt = Libvirt::open(&uri, deadlines());
    for error in [libvirt.guests().unwrap_err(), libvirt.stop(VM, 1).unwrap_err()] {
        assert!(matches!(&error, Error::Unreachable { why, .. } if why.contains("No such file")), "{error}");
    }
}

#[test]
fn a_listener_that_never_answers_is_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mute");
    let _mute = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let short = Duration::from_millis(50);
    let libvirt = Libvirt::open(&uri, Deadlines { look: short, change: short });
    assert_eq!(libvirt.guests(), Err(Error::Silent { call: "list the guests", deadline_ms: 50 }));
}

#[test]
fn the_incarnation_is_read_in_the_mark() {
    for (element, expected) in [
        ("<pvc:vm xmlns:pvc='urn:pvc:vm:1' incarnation='7'/>", Some(7)),
        ("<vm incarnation='x'/>", None),
        ("<vm/>", None),
        ("", None),
    ] {
        assert_eq!(incarnation_in(element), expected, "{element}");
    }
}
