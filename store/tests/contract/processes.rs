//! What only several real processes can show: an owner that is stopped past its lease, and one that is killed.

use std::sync::Arc;

use logic::config::StoreUrl;
use logic::record::Expect;
use nix::sys::signal::Signal;
use store::{Key, Op, Store, Transaction};

use crate::backend::secret;
use crate::laws::eventually;
use crate::other::Other;
use crate::servers::Servers;

/// Tells the other process which store to open.
const STORE: &str = "PVC_TEST_STORE";

fn open(url: &str) -> Arc<dyn Store> {
    let url = match url.split_once("://").expect("it has a scheme") {
        ("sqlite", path) => StoreUrl::Sqlite { path: path.into() },
        (_, servers) => StoreUrl::ZooKeeper { servers: vec![servers.into()] },
    };
    store::open(&url, Some(secret())).expect("the store is there")
}

/// Another process of this test that owns a session.
struct Owner(Other);

impl Owner {
    fn start(url: &str) -> Self {
        let words = ["--exact", "processes::owner_process", "--nocapture", "--include-ignored"];
        let mut owner = Self(Other::start(&words, &[(STORE, url)]));
        assert_eq!(owner.next_word(), "announced");
        owner
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.pid()).expect("a pid is small"));
        nix::sys::signal::kill(pid, signal).expect("the owner is there");
    }

    /// The next word it says, past what the test runner prints.
    fn next_word(&mut self) -> String {
        loop {
            if let Some(word) = self.0.next().strip_prefix("owner: ") {
                return word.to_owned();
            }
        }
    }
}

fn here() -> Key {
    Key::new("/pvc/test/here")
}

/// The other process: announces, then writes once for every line it is told, and says what came of it.
#[test]
fn owner_process() {
    let Ok(url) = std::env::var(STORE) else { return };
    let store = open(&url);
    store.announce(&here(), b"1").unwrap();
    println!("\nowner: announced");
    for (number, _) in std::io::stdin().lines().enumerate() {
        let key = Key::new(&format!("/pvc/test/write{number}"));
        let op = Op { key, expect: Expect::Absent, value: Some(b"x".to_vec()) };
        let outcome = store.commit(&Transaction { guards: Vec::new(), ops: vec![op] });
        println!("owner: {}", outcome.map_or_else(|error| error.to_string(), |_| "written".into()));
    }
}

fn sqlite_in(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("store.db").display())
}

fn zookeeper_at(servers: &Servers) -> String {
    format!("zookeeper://{}?session_timeout_ms=8000", servers.addresses()[0])
}

fn stopped_past_its_lease(url: &str) {
    let store = open(url);
    let mut owner = Owner::start(url);
    owner.signal(Signal::SIGSTOP);
    eventually("its announcement is gone", || store.read(&here()).unwrap().is_none());
    owner.0.tell();
    owner.signal(Signal::SIGCONT);
    let said = owner.next_word();
    let renewed_first = store.read(&Key::new("/pvc/test/write0")).unwrap().is_some();
    assert!(said == "the session with the store is over" || (said == "written" && renewed_first), "{said}");
    let back = store.read(&here()).unwrap();
    assert_eq!(back, None, "what it announced under the old session does not come back");
}

fn killed(url: &str) {
    let store = open(url);
    let owner = Owner::start(url);
    assert!(store.read(&here()).unwrap().is_some());
    owner.signal(Signal::SIGKILL);
    eventually("its announcement is gone", || store.read(&here()).unwrap().is_none());
}

#[test]
fn an_owner_stopped_past_its_lease_is_gone_and_its_next_write_fails_on_sqlite() {
    stopped_past_its_lease(&sqlite_in(&tempfile::tempdir().unwrap()));
}

#[test]
fn an_owner_stopped_past_its_lease_is_gone_and_its_next_write_fails_on_zookeeper() {
    stopped_past_its_lease(&zookeeper_at(&Servers::start(1)));
}

#[test]
fn an_owner_that_is_killed_is_gone_when_its_lease_is_over_on_sqlite() {
    killed(&sqlite_in(&tempfile::tempdir().unwrap()));
}

#[test]
fn an_owner_that_is_killed_is_gone_when_its_lease_is_over_on_zookeeper() {
    killed(&zookeeper_at(&Servers::start(1)));
}
