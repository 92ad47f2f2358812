//! Numbered changes of what is recorded, each made once in the life of a cluster, under a lock.
//!
//! A record carries the number of its own shape (see [`crate::records`]); what is here changes records of a cluster that
//! is older than the program. The changes that were made are counted in one key. A cluster with old and new nodes side by
//! side keeps working: a change may only add what an older program leaves alone, and a program that meets a cluster with
//! more changes than it knows goes on.

use std::time::Duration;

use logic::record::Expect;

use crate::lock::LockKind;
use crate::{CommitError, Error, Key, LockRequest, Op, Store, Transaction, key};

/// How long a daemon waits for another one that is making changes.
const WAIT: Duration = Duration::from_secs(60);

/// One change.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// What it does, for the log.
    pub what: &'static str,
    /// What it writes. Made in one transaction together with the count, so that it is made once or not at all.
    pub plan: fn(&dyn Store) -> Result<Vec<Op>, Error>,
}

/// Every change there ever was, in order. None is ever taken away.
pub const CHANGES: &[Change] = &[];

/// Why the records could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The store.
    #[error("the records cannot be brought up to date")]
    Store(#[from] Error),
    /// A write.
    #[error("change {number} of the records ({what}) was not made")]
    Change {
        /// Which, counted from one.
        number: usize,
        /// What it does.
        what: &'static str,
        /// Why not.
        source: CommitError,
    },
    /// The count is no number.
    #[error("{key} holds \"{text}\" and not a number of changes")]
    Count {
        /// Where.
        key: Key,
        /// What is there.
        text: String,
    },
}

/// Makes the changes that were not made yet, and says how many the cluster has now.
///
/// # Errors
/// [`SchemaError`] when one was not made; those before it are, and the next call goes on from there.
pub fn ensure(store: &dyn Store, changes: &[Change]) -> Result<usize, SchemaError> {
    let key = key::schema();
    let (made, _) = count(store, &key)?;
    if made >= changes.len() {
        return Ok(made);
    }
    let owner = format!("process {}", std::process::id());
    let lock =
        store.lock(&LockRequest { key: key.child("lock"), kind: LockKind::Exclusive, owner, wait: WAIT })?;
    // Whoever held the lock before has made some, or all.
    let (made, mut expect) = count(store, &key)?;
    for (index, change) in changes.iter().enumerate().skip(made) {
        let number = index + 1;
        let mut ops = (change.plan)(store)?;
        ops.push(Op { key: key.clone(), expect, value: Some(number.to_string().into_bytes()) });
        let transaction = Transaction { guards: vec![lock.guard()], ops };
        let committed = store.commit(&transaction).map_err(|source| SchemaError::Change {
            number,
            what: change.what,
            source,
        })?;
        let version = committed.versions.last().and_then(|(_, version)| *version);
        expect = version.map_or(Expect::Present, Expect::Version);
        tracing::info!(number, what = change.what, "the records were changed");
    }
    Ok(changes.len().max(made))
}

fn count(store: &dyn Store, key: &Key) -> Result<(usize, Expect), SchemaError> {
    let Some(entry) = store.read(key)? else { return Ok((0, Expect::Absent)) };
    let text = String::from_utf8_lossy(&entry.value).into_owned();
    let made = text.parse().map_err(|_| SchemaError::Count { key: key.clone(), text })?;
    Ok((made, Expect::Version(entry.version)))
}
