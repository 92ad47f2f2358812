//! Sessions in SQLite: leases on the boot clock, renewed by a thread and ended by whoever finds them over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use logic::time::{BootTime, Span};
use rusqlite::{Connection, OptionalExtension, Transaction as Sql, TransactionBehavior, params};

use super::{Inner, remove, session_number};
use crate::session::boot_now;

/// How long a session lives without being renewed; the same as with ZooKeeper.
const LEASE: Span = Span(6_000);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_millis(1_500);

/// This process's lease.
#[derive(Debug)]
pub(super) struct Lease {
    boot: String,
    until_ms: AtomicU64,
}

fn sql_ms(moment: BootTime) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

impl Lease {
    pub(super) fn new() -> std::io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { boot, until_ms: AtomicU64::new(0) })
    }

    /// The moment after which others may hold this process for dead.
    pub(super) fn until(&self) -> BootTime {
        BootTime(self.until_ms.load(Ordering::SeqCst))
    }

    pub(super) fn is_kept(&self) -> bool {
        self.until() > boot_now()
    }

    /// Begins a session and returns its number.
    pub(super) fn begin(&self, connection: &mut Connection) -> Result<u64, rusqlite::Error> {
        let until = boot_now() + LEASE;
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.expire(&sql)?;
        sql.execute(
            "INSERT INTO sessions (boot, until_ms) VALUES (?1, ?2)",
            params![self.boot, sql_ms(until)],
        )?;
        let number = sql.last_insert_rowid();
        sql.commit()?;
        self.until_ms.store(until.0, Ordering::SeqCst);
        Ok(u64::try_from(number).expect("session numbers count up from one"))
    }

    /// Ends the sessions that are over: of another boot, or past their lease. What they announced is gone.
    pub(super) fn expire(&self, sql: &Sql<'_>) -> Result<(), rusqlite::Error> {
        let mut query = sql.prepare_cached("SELECT id FROM sessions WHERE boot <> ?1 OR until_ms <= ?2")?;
        let over = query.query_map(params![self.boot, sql_ms(boot_now())], |row| row.get(0))?;
        for session in over.collect::<Result<Vec<i64>, _>>()? {
            end(sql, session)?;
        }
        Ok(())
    }

    /// Renews the session if it is alive. False when it is over.
    fn renew(&self, connection: &mut Connection, session: i64) -> Result<bool, rusqlite::Error> {
        let until = boot_now() + LEASE;
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.expire(&sql)?;
        let renewed =
            sql.execute("UPDATE sessions SET until_ms = ?1 WHERE id = ?2", params![sql_ms(until), session])?;
        sql.commit()?;
        if renewed == 1 {
            self.until_ms.store(until.0, Ordering::SeqCst);
        }
        Ok(renewed == 1)
    }
}

fn end(sql: &Sql<'_>, session: i64) -> Result<(), rusqlite::Error> {
    let mut query = sql.prepare_cached("SELECT key FROM records WHERE owner = ?1")?;
    let gone = query.query_map([session], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for key in gone {
        remove(sql, &key)?;
    }
    sql.execute("DELETE FROM locks WHERE session = ?1", [session])?;
    sql.execute("DELETE FROM sessions WHERE id = ?1", [session])?;
    Ok(())
}

/// Whether a session has not ended.
pub(super) fn is_alive(sql: &Sql<'_>, session: i64) -> Result<bool, rusqlite::Error> {
    let found = sql.query_row("SELECT 1 FROM sessions WHERE id = ?1", [session], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

/// Renews the session on a thread for as long as the store is used; replaces it when it is over.
pub(super) fn keep(inner: &Arc<Inner>) {
    let store: Weak<Inner> = Arc::downgrade(inner);
    let renew = move || {
        loop {
            std::thread::sleep(RENEWAL);
            let Some(inner) = store.upgrade() else { return };
            if let Err(error) = renew_once(&inner) {
                tracing::warn!(%error, "the session with the store could not be renewed");
            }
        }
    };
    std::thread::Builder::new().name("lease".into()).spawn(renew).expect("the machine has threads left");
}

fn renew_once(inner: &Inner) -> Result<(), rusqlite::Error> {
    let mut connection = inner.connection.lock().expect("no thread panics inside a transaction");
    if !inner.lease.renew(&mut connection, session_number(inner))? {
        let fresh = inner.lease.begin(&mut connection)?;
        inner.session.store(fresh, Ordering::SeqCst);
        tracing::warn!("the session with the store was over; a new one has begun");
    }
    drop(connection);
    inner.listeners.ping();
    Ok(())
}

impl Drop for Inner {
    /// A clean close ends the session at once.
    fn drop(&mut self) {
        let session = session_number(self);
        let Ok(connection) = self.connection.get_mut() else { return };
        let mut close = || -> Result<(), rusqlite::Error> {
            let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            end(&sql, session)?;
            sql.commit()
        };
        if let Err(error) = close() {
            tracing::warn!(%error, "the session with the store could not be closed; it ends with its lease");
        }
        self.listeners.ping();
    }
}
