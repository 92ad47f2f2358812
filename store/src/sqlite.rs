//! The backend for one machine: SQLite, used by several processes at once.
//!
//! Write-ahead log with full sync and immediate transactions. Every write gets a number from one counter that never
//! goes back, which is its version and its place in the change log. A session is a lease on the boot clock that a
//! thread renews; a process that is stopped past its lease finds its session over, as with ZooKeeper. After a commit the
//! writer pings the sockets of the processes that watch; a slow poll stands behind that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use logic::record::{Expect, Version};
use rusqlite::{Connection, OptionalExtension, Transaction as Sql, TransactionBehavior, params};

use crate::lock::{Lock, LockKind, LockRequest};
use crate::session::PATIENCE;
use crate::transaction::{Committed, Guard, Transaction, renaming};
use crate::{CommitError, Entry, Error, Key, Session, Sink, Store, Watch};

mod lease;
mod notify;

use lease::Lease;
use notify::Listeners;

/// The tables. `changes` is the change log and the source of versions; only its newest lines are kept.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS records (
        key TEXT PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, owner INTEGER) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS records_owner ON records (owner) WHERE owner IS NOT NULL;
    CREATE TABLE IF NOT EXISTS changes (version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, until_ms INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS locks (
        term INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind INTEGER NOT NULL, session INTEGER NOT NULL);
";

/// How many lines of the change log are kept; a watcher that is further behind reads everything anew.
const CHANGES_KEPT: i64 = 10_000;

/// How long a call waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often somebody who waits for a lock looks again.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// A file of records, opened by this process.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    connection: Mutex<Connection>,
    lease: Lease,
    session: AtomicU64,
    listeners: Listeners,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.inner.path.display())
    }
}

fn unreachable(path: &Path, why: &dyn fmt::Display) -> Error {
    Error::Unreachable { backend: format!("sqlite://{}", path.display()), why: why.to_string() }
}

impl Sqlite {
    /// Opens or makes the file and begins a session.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the file or its folder cannot be used.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let told = |error: &dyn fmt::Display| unreachable(path, error);
        let mut connection = connect(path).map_err(|error| told(&error))?;
        let lease = Lease::new().map_err(|error| told(&error))?;
        let session = lease.begin(&mut connection).map_err(|error| told(&error))?;
        let inner = Inner {
            path: path.to_owned(),
            connection: Mutex::new(connection),
            lease,
            session: AtomicU64::new(session),
            listeners: Listeners::new(path),
        };
        let store = Self { inner: Arc::new(inner) };
        lease::keep(&store.inner);
        Ok(store)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.inner.connection.lock().expect("no thread panics inside a transaction")
    }

    fn told(&self, error: rusqlite::Error) -> Error {
        unreachable(&self.inner.path, &error)
    }

    /// Runs a write as one immediate transaction, in which sessions that are over have ended and this one is alive.
    fn write<T>(&self, act: impl FnOnce(&Sql<'_>, i64) -> Result<T, CommitError>) -> Result<T, CommitError> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let sql = sql.map_err(|error| self.told(error))?;
        self.inner.lease.expire(&sql).map_err(|error| self.told(error))?;
        let session = session_number(&self.inner);
        let alive = lease::is_alive(&sql, session).map_err(|error| self.told(error))?;
        if !alive {
            sql.commit().map_err(|error| self.told(error))?;
            let fresh = self.inner.lease.begin(&mut connection).map_err(|error| self.told(error))?;
            self.inner.session.store(fresh, Ordering::SeqCst);
            return Err(Error::SessionOver.into());
        }
        let outcome = act(&sql, session)?;
        trim(&sql).map_err(|error| self.told(error))?;
        sql.commit().map_err(|error| self.told(error))?;
        drop(connection);
        self.inner.listeners.ping();
        Ok(outcome)
    }
}

fn session_number(inner: &Inner) -> i64 {
    i64::try_from(inner.session.load(Ordering::SeqCst)).expect("session numbers count up from one")
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

fn version(number: i64) -> Version {
    Version(u64::try_from(number).expect("versions count up from one"))
}

fn read(connection: &Connection, key: &Key) -> Result<Option<Entry>, rusqlite::Error> {
    let mut query = connection.prepare_cached("SELECT version, value FROM records WHERE key = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        let bytes = row.get_ref(1)?.as_blob().map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Entry { version: version(row.get(0)?), value: bytes.into() })
    };
    query.query_row([key.as_str()], row).optional()
}

/// Writes the change log's next line and returns its number.
fn log_change(sql: &Sql<'_>, key: &str) -> Result<i64, rusqlite::Error> {
    sql.prepare_cached("INSERT INTO changes (key) VALUES (?1)")?.execute([key])?;
    Ok(sql.last_insert_rowid())
}

fn put(sql: &Sql<'_>, key: &Key, value: &[u8], owner: Option<i64>) -> Result<Version, rusqlite::Error> {
    let number = log_change(sql, key.as_str())?;
    sql.prepare_cached(
        "INSERT OR REPLACE INTO records (key, value, version, owner) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![key.as_str(), value, number, owner])?;
    Ok(version(number))
}

fn remove(sql: &Sql<'_>, key: &str) -> Result<(), rusqlite::Error> {
    log_change(sql, key)?;
    sql.prepare_cached("DELETE FROM records WHERE key = ?1")?.execute([key])?;
    Ok(())
}

fn trim(sql: &Sql<'_>) -> Result<(), rusqlite::Error> {
    let newest: i64 = sql.query_row("SELECT coalesce(max(version), 0) FROM changes", [], |row| row.get(0))?;
    sql.prepare_cached("DELETE FROM changes WHERE version <= ?1")?.execute([newest - CHANGES_KEPT])?;
    Ok(())
}

fn holds(connection: &Connection, key: &Key, expect: Expect) -> Result<bool, rusqlite::Error> {
    let entry = read(connection, key)?;
    Ok(match expect {
        Expect::Absent => entry.is_none(),
        Expect::Present => entry.is_some(),
        Expect::Version(version) => entry.is_some_and(|entry| entry.version == version),
    })
}

impl Store for Sqlite {
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error> {
        read(&self.connection(), key).map_err(|error| self.told(error))
    }

    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
        let entries = {
            let mut connection = self.connection();
            let sql = connection.transaction().map_err(|error| self.told(error))?;
            keys.iter()
                .map(|key| read(&sql, key).map_err(|error| self.told(error)))
                .collect::<Result<_, _>>()?
        };
        self.inner.listeners.catch_up().map_err(|error| self.told(error))?;
        Ok(entries)
    }

    fn children(&self, key: &Key) -> Result<Vec<String>, Error> {
        let below = format!("{key}/");
        let mut names: Vec<String> = Vec::new();
        for (key, _) in self.subtree(key)? {
            let Some(rest) = key.as_str().strip_prefix(&below) else { continue };
            let name = rest.split('/').next().unwrap_or_default();
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.dedup();
        Ok(names)
    }

    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error> {
        let connection = self.connection();
        let rows = || -> Result<Vec<(Key, Entry)>, rusqlite::Error> {
            // Everything below a key lies between "key/" and "key0", for '0' is the character behind '/'.
            let mut query = connection.prepare_cached(
                "SELECT key, version, value FROM records WHERE key = ?1 OR (key > ?1 || '/' AND key < ?1 || '0')
                 ORDER BY key",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                let key: String = row.get(0)?;
                let bytes = row.get_ref(2)?.as_blob().map_err(|_| rusqlite::Error::InvalidQuery)?;
                Ok((Key::new(&key), Entry { version: version(row.get(1)?), value: bytes.into() }))
            };
            query.query_map([key.as_str()], row)?.collect()
        };
        let mut entries = rows().map_err(|error| self.told(error))?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(entries)
    }

    fn commit(&self, transaction: &Transaction) -> Result<Committed, CommitError> {
        transaction.check_size().map_err(Error::from)?;
        self.write(|sql, _| {
            let guards = transaction.guards.iter().map(|guard| (&guard.key, guard.expect));
            for (key, expect) in guards.chain(transaction.ops.iter().map(|op| (&op.key, op.expect))) {
                if !holds(sql, key, expect).map_err(|error| self.told(error))? {
                    return Err(CommitError::Conflict { key: key.clone() });
                }
            }
            let mut committed = Committed::default();
            for op in &transaction.ops {
                let version = match &op.value {
                    Some(value) => Some(put(sql, &op.key, value, None).map_err(|error| self.told(error))?),
                    None => {
                        remove(sql, op.key.as_str()).map_err(|error| self.told(error))?;
                        None
                    }
                };
                committed.versions.push((op.key.clone(), version));
            }
            Ok(committed)
        })
    }

    fn rename(&self, from: &Key, to: &Key, guards: &[Guard]) -> Result<Committed, CommitError> {
        let transaction = renaming(&self.subtree(from)?, from, to, guards);
        self.commit(&transaction)
    }

    fn lock(&self, request: &LockRequest) -> Result<Box<dyn Lock>, Error> {
        lock(self, request)
    }

    fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error> {
        let announced = self.write(|sql, session| {
            put(sql, key, value, Some(session)).map_err(|error| self.told(error).into())
        });
        announced.map_err(failed)
    }

    fn session(&self) -> Session {
        let epoch = self.inner.session.load(Ordering::SeqCst);
        let connected = self.inner.lease.is_kept();
        Session { epoch, until: Some(self.inner.lease.until()), connected, patience: PATIENCE }
    }

    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error> {
        self.inner
            .listeners
            .listen(&self.inner.path, key, &sink)
            .map_err(|error| unreachable(&self.inner.path, &error))?;
        Ok(Box::new(SqliteWatch { _sink: sink, _store: self.clone() }))
    }
}

/// What is left of a commit error where no guard could fail and nothing was lost.
fn failed(error: CommitError) -> Error {
    match error {
        CommitError::Failed(error) => error,
        other => Error::Unreachable { backend: "sqlite".into(), why: other.to_string() },
    }
}

#[derive(Debug)]
struct SqliteWatch {
    _sink: Arc<dyn Sink>,
    _store: Sqlite,
}

impl Watch for SqliteWatch {}

/// Stands in line for a lock: a numbered line in a table, held once no earlier line conflicts.
fn lock(store: &Sqlite, request: &LockRequest) -> Result<Box<dyn Lock>, Error> {
    let kind = i64::from(request.kind != LockKind::Read);
    let began = Instant::now();
    let term = store.write(|sql, session| {
        let place = "INSERT INTO locks (key, kind, session) VALUES (?1, ?2, ?3)";
        sql.execute(place, params![request.key.as_str(), kind, session])
            .map_err(|error| store.told(error))?;
        Ok(sql.last_insert_rowid())
    });
    let term = term.map_err(failed)?;
    let mark = request.key.child(&format!("holder-{term:010}"));
    let mut held =
        SqliteLock { store: store.clone(), mark, version: Version(0), term: version(term).0, row: term };
    loop {
        let taken = store.write(|sql, session| {
            let earlier = "SELECT count(*) FROM locks WHERE key = ?1 AND term < ?2 AND (kind = 1 OR ?3 = 1)";
            let told = |error| CommitError::from(store.told(error));
            let still: Option<i64> = sql
                .query_row("SELECT 1 FROM locks WHERE term = ?1", [term], |row| row.get(0))
                .optional()
                .map_err(told)?;
            if still.is_none() {
                return Err(Error::SessionOver.into());
            }
            let before: i64 = sql
                .query_row(earlier, params![request.key.as_str(), term, kind], |row| row.get(0))
                .map_err(told)?;
            match before {
                0 => put(sql, &held.mark, request.owner.as_bytes(), Some(session)).map(Some).map_err(told),
                _ => Ok(None),
            }
        });
        if let Some(version) = taken.map_err(failed)? {
            held.version = version;
            return Ok(Box::new(held));
        }
        if began.elapsed() >= request.wait {
            let waited_ms = u64::try_from(request.wait.as_millis()).unwrap_or(u64::MAX);
            return Err(Error::Busy { key: request.key.clone(), waited_ms });
        }
        std::thread::sleep(LOCK_POLL);
    }
}

#[derive(Debug)]
struct SqliteLock {
    store: Sqlite,
    mark: Key,
    version: Version,
    term: u64,
    row: i64,
}

impl Lock for SqliteLock {
    fn term(&self) -> u64 {
        self.term
    }

    fn guard(&self) -> Guard {
        Guard { key: self.mark.clone(), expect: Expect::Version(self.version) }
    }
}

impl Drop for SqliteLock {
    fn drop(&mut self) {
        let released = self.store.write(|sql, _| {
            sql.execute("DELETE FROM locks WHERE term = ?1", [self.row])
                .map_err(|error| self.store.told(error))?;
            remove(sql, self.mark.as_str()).map_err(|error| self.store.told(error).into())
        });
        if let Err(error) = released {
            tracing::warn!(%error, lock = %self.mark, "a lock could not be released; it ends with the session");
        }
    }
}
