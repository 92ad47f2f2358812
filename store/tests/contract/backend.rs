//! The backends under test, each with a way to open a further session as another process would.

use std::sync::Arc;

use store::memory::Memory;
use store::sqlite::Sqlite;
use store::zookeeper::ZooKeeper;
use store::{Secret, Store};

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
        Arc::new(ZooKeeper::open(&self.addresses(), &secret()).expect("the servers serve"))
    }
}

/// The secret of every ZooKeeper here.
pub(crate) fn secret() -> Secret {
    Secret::new("correct horse").expect("it is not empty")
}
