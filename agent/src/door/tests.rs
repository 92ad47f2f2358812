//! A door opens when there is an identity to show, follows its renewal, and costs a node without one nothing.

use std::fs;
use std::path::Path;

use host::identity::{Subject, authority};
use link::client::{Client, Error, Patience};
use link::message::Request;
use link::server::{Ended, Sink};

use super::*;

#[derive(Debug)]
struct Echo;

impl Answer for Echo {
    fn answer(&self, _request: &Request, sink: &mut dyn Sink) -> Result<(), Ended> {
        Ok(sink.send(b"here")?)
    }
}

fn issue(folder: &Path, name: &str, now: SystemTime) {
    let subject = Subject {
        node: name.parse().unwrap(),
        names: Vec::new(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
    };
    authority::ensure(&folder.join("hv1"), now).unwrap();
    authority::issue(&folder.join("hv1"), &subject, &folder.join(name), now).unwrap();
}

fn keeper(folder: &Path, name: &str) -> Keeper {
    let place = Place {
        address: "127.0.0.1:0".parse().unwrap(),
        node: name.parse().unwrap(),
        identity: folder.join(name),
        pki: Some(folder.join("pki")),
        limits: Limits::default(),
    };
    Keeper { place, answer: Arc::new(Echo), open: None, told: None }
}

fn ask(keeper: &Keeper, folder: &Path) -> Result<Vec<u8>, Error> {
    let address = keeper.open.as_ref().unwrap().listener.address().unwrap();
    let read = |name| fs::read(folder.join("hv1").join(name)).unwrap();
    let ours = transport::Identity::from_pem(&read("ca.crt"), &read("node.crt"), &read("node.key")).unwrap();
    let node = keeper.place.node.as_str();
    let mut client = Client::connect_tls(&[address], node, &ours, Patience::default())?;
    client.ask(&Request::Statistics)?.whole(100)
}

#[test]
fn a_node_without_an_identity_says_so_and_opens_its_door_once_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut keeper, now) = (keeper(folder.path(), "hv2"), SystemTime::now());
    keeper.look(now);
    assert!(keeper.open.is_none());
    assert!(keeper.told.as_ref().unwrap().contains("hv2/ca.crt is missing"), "{:?}", keeper.told);
    issue(folder.path(), "hv1", now);
    issue(folder.path(), "hv2", now);
    keeper.look(now);
    assert_eq!(keeper.told, None);
    assert_eq!(ask(&keeper, folder.path()).unwrap(), b"here");
    assert!(folder.path().join("pki/qemu/server-key.pem").exists());
}

#[test]
fn a_renewed_certificate_is_shown_and_an_open_door_stays_open_whatever_comes() {
    let folder = tempfile::tempdir().unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let (mut keeper, now) = (keeper(folder.path(), "hv1"), SystemTime::now());
    let long_ago = now.checked_sub(2 * year + year / 2).unwrap();
    issue(folder.path(), "hv1", long_ago);
    // At that time it was good; now the door still shows it, and nobody believes it.
    keeper.look(long_ago);
    assert!(matches!(ask(&keeper, folder.path()), Err(Error::Untrusted { .. })));
    keeper.look(now);
    assert_eq!((keeper.told.as_deref(), ask(&keeper, folder.path()).as_deref()), (None, Ok(&b"here"[..])));
    let good = fs::read(folder.path().join("hv1/node.crt")).unwrap();
    fs::write(folder.path().join("hv1/node.crt"), "nonsense").unwrap();
    keeper.look(now);
    assert!(keeper.told.as_ref().unwrap().contains("is no certificate"));
    fs::write(folder.path().join("hv1/node.crt"), good).unwrap();
    assert_eq!(ask(&keeper, folder.path()).unwrap(), b"here");
}

#[test]
fn a_node_whose_certificate_ends_soon_serves_and_says_who_has_to_renew_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut keeper, now) = (keeper(folder.path(), "hv2"), SystemTime::now());
    let before = now.checked_sub(Duration::from_secs(500 * 24 * 3600)).unwrap();
    issue(folder.path(), "hv1", before);
    issue(folder.path(), "hv2", before);
    keeper.look(now);
    assert!(keeper.told.as_ref().unwrap().contains("identity issue"), "{:?}", keeper.told);
    assert_eq!(ask(&keeper, folder.path()).unwrap(), b"here");
}

#[test]
fn a_door_that_is_dropped_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    issue(folder.path(), "hv1", SystemTime::now());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place { address: free, ..keeper(folder.path(), "hv1").place };
    let door = Door::keep(place, Arc::new(Echo));
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(free).is_err() {
        assert!(std::time::Instant::now() < end, "the door did not open within 60 s");
        thread::yield_now();
    }
    drop(door);
    assert!(std::net::TcpStream::connect(free).is_err());
}
