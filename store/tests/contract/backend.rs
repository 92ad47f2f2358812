//! The backends under test, each with a way to open a further session as another process would.

use std::sync::Arc;

use store::memory::Memory;
use store::sqlite::Sqlite;
use store::zookeeper::ZooKeeper;
use store::{Secret, Store};

use crate::laws::eventually;
use crate::servers::Servers;

/// A backend under test.
pub(crate) trait Backend {
    /// Opens a session of its own.
    fn open(&self) -> Arc<dyn Store>;
}

/// The backend in memory.
pub(crate) fn memory() -> Box<dyn Backend> {
    struct InMemory(Memory);
    impl Backend for InMemory {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(self.0.open())
        }
    }
    Box::new(InMemory(Memory::on_real_time()))
}

/// SQLite in a folder that is removed afterwards.
pub(crate) fn sqlite() -> Box<dyn Backend> {
    struct InFile(tempfile::TempDir);
    impl Backend for InFile {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(Sqlite::open(&self.0.path().join("store.db")).expect("the folder was just made"))
        }
    }
    Box::new(InFile(tempfile::tempdir().expect("the machine has a folder for temporary files")))
}

/// One ZooKeeper server.
pub(crate) fn zookeeper() -> Box<dyn Backend> {
    Box::new(Servers::start(1))
}

/// Three ZooKeeper servers.
pub(crate) fn ensemble() -> Box<dyn Backend> {
    Box::new(Servers::start(3))
}

impl Backend for Servers {
    fn open(&self) -> Arc<dyn Store> {
        self.open_for(SESSION_MS)
    }
}

/// A session that outlives it when everything stands still for a while.
const SESSION_MS: u32 = 20_000;

impl Servers {
    /// Opens a session that is over when nothing was heard of it for so long.
    pub(crate) fn open_for(&self, timeout_ms: u32) -> Arc<dyn Store> {
        opened(&self.addresses(), timeout_ms)
    }
}

/// A session with these servers, which may be slow to begin.
pub(crate) fn opened(servers: &[String], timeout_ms: u32) -> Arc<dyn Store> {
    let mut servers = servers.to_vec();
    let last = servers.last_mut().expect("there are servers");
    last.push_str(&format!("?session_timeout_ms={timeout_ms}"));
    let mut store = None;
    eventually("the servers serve", || {
        store = ZooKeeper::open(&servers, &secret()).ok();
        store.is_some()
    });
    Arc::new(store.expect("it was waited for"))
}

/// The secret of every ZooKeeper here.
pub(crate) fn secret() -> Secret {
    Secret::new("correct horse").expect("it is not empty")
}
