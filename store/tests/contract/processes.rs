//! What only several real processes can show of SQLite: an owner that is stopped past its lease, and one that is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use logic::record::Expect;
use store::sqlite::Sqlite;
use store::{Key, Op, Store, Transaction};

use crate::laws::eventually;

const FILE: &str = "PVC_TEST_STORE_FILE";

/// Another process of this test that owns a session; ended with the value.
struct Owner(Child);

impl Owner {
    #[expect(clippy::disallowed_methods, reason = "the test needs a second process of itself")]
    fn start(file: &std::path::Path) -> Self {
        let this = std::env::current_exe().expect("a test knows its own file");
        let mut command = Command::new(this);
        command.args(["--exact", "processes::owner_process", "--nocapture", "--include-ignored"]);
        command.env(FILE, file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut owner = Self(command.spawn().expect("the test can start itself"));
        assert_eq!(owner.next_word(), "announced");
        owner
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid is small"));
        nix::sys::signal::kill(pid, signal).expect("the owner is there");
    }

    /// The next word it says, past what the test runner prints.
    fn next_word(&mut self) -> String {
        let mut lines = BufReader::new(self.0.stdout.as_mut().expect("its output is piped")).lines();
        let said = lines.find_map(|line| Some(line.ok()?.strip_prefix("owner: ")?.to_owned()));
        said.expect("the owner says what it did")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn here() -> Key {
    Key::new("/pvc/test/here")
}

/// The other process: announces, then writes once for every line it is told, and says what came of it.
#[test]
fn owner_process() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = Sqlite::open(std::path::Path::new(&file)).unwrap();
    store.announce(&here(), b"1").unwrap();
    println!("\nowner: announced");
    for (number, _) in std::io::stdin().lines().enumerate() {
        let key = Key::new(&format!("/pvc/test/write{number}"));
        let op = Op { key, expect: Expect::Absent, value: Some(b"x".to_vec()) };
        let outcome = store.commit(&Transaction { guards: Vec::new(), ops: vec![op] });
        println!("owner: {}", outcome.map_or_else(|error| error.to_string(), |_| "written".into()));
    }
}

#[test]
fn an_owner_stopped_past_its_lease_is_gone_and_its_next_write_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = Sqlite::open(&file).unwrap();
    let mut owner = Owner::start(&file);
    owner.signal(nix::sys::signal::Signal::SIGSTOP);
    eventually("its announcement is gone", || store.read(&here()).unwrap().is_none());
    writeln!(owner.0.stdin.as_mut().unwrap()).unwrap();
    owner.signal(nix::sys::signal::Signal::SIGCONT);
    let said = owner.next_word();
    let renewed_first = store.read(&Key::new("/pvc/test/write0")).unwrap().is_some();
    assert!(said == "the session with the store is over" || (said == "written" && renewed_first), "{said}");
    assert_eq!(
        store.read(&here()).unwrap(),
        None,
        "what it announced under the old session does not come back"
    );
}

#[test]
fn an_owner_that_is_killed_is_gone_when_its_lease_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = Sqlite::open(&file).unwrap();
    let owner = Owner::start(&file);
    assert!(store.read(&here()).unwrap().is_some());
    owner.signal(nix::sys::signal::Signal::SIGKILL);
    eventually("its announcement is gone", || store.read(&here()).unwrap().is_none());
}
