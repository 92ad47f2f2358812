//! Guarded changes that land whole or not at all, and what became of them.

use logic::limits::{TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};
use logic::record::{Expect, Version};

use crate::{Error, Key};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// On which key.
    pub key: Key,
    /// What it must be.
    pub expect: Expect,
}

/// One change, with the condition on its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The key.
    pub key: Key,
    /// What it must be before.
    pub expect: Expect,
    /// What it becomes; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// Conditions and changes that stand or fall together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Conditions on keys that are not changed.
    pub guards: Vec<Guard>,
    /// The changes.
    pub ops: Vec<Op>,
}

/// What a transaction left behind: for each of its keys the new version, or `None` where it was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// In the order of the operations.
    pub versions: Vec<(Key, Option<Version>)>,
}

/// More than the store takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {bytes} bytes; the store takes {bytes_max}")]
pub struct Oversize {
    /// Which value, or the transaction.
    pub what: String,
    /// Its size.
    pub bytes: usize,
    /// The bound.
    pub bytes_max: usize,
}

/// Why a transaction has not, or may not have, taken place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold; nothing was changed.
    #[error("{key} was changed by somebody else in the meantime")]
    Conflict {
        /// The first guard that failed.
        key: Key,
    },
    /// The connection went away in the middle: it may have landed or not. Read back to know.
    #[error("the connection to the store was lost in the middle of a write; whether it landed is not known")]
    Unknown,
    /// Nothing was changed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Transaction {
    /// Refuses what the store could not take, before anything is sent.
    ///
    /// # Errors
    /// [`Oversize`] names the value or the whole, its size and the bound.
    pub fn check_size(&self) -> Result<(), Oversize> {
        let mut total = 0;
        for op in &self.ops {
            let bytes = op.value.as_ref().map_or(0, Vec::len);
            if bytes > VALUE_BYTES_MAX {
                return Err(Oversize { what: op.key.to_string(), bytes, bytes_max: VALUE_BYTES_MAX });
            }
            total += bytes + op.key.as_str().len();
        }
        total += self.guards.iter().map(|guard| guard.key.as_str().len()).sum::<usize>();
        if total > TRANSACTION_BYTES_MAX {
            return Err(Oversize {
                what: "the transaction".into(),
                bytes: total,
                bytes_max: TRANSACTION_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// The transaction that moves everything at and below a key to another place, if nothing of it changes meanwhile.
pub(crate) fn renaming(
    subtree: &[(Key, crate::Entry)],
    from: &Key,
    to: &Key,
    guards: &[Guard],
) -> Transaction {
    let mut transaction = Transaction { guards: guards.to_vec(), ops: Vec::new() };
    for (key, entry) in subtree {
        let rest = &key.as_str()[from.as_str().len()..];
        let target = Key::new(&format!("{to}{rest}"));
        transaction.ops.push(Op { key: target, expect: Expect::Absent, value: Some(entry.value.to_vec()) });
    }
    for (key, entry) in subtree.iter().rev() {
        let expect = Expect::Version(entry.version);
        transaction.ops.push(Op { key: key.clone(), expect, value: None });
    }
    if subtree.is_empty() {
        transaction.guards.push(Guard { key: from.clone(), expect: Expect::Present });
    }
    transaction
}
