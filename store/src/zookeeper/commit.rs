//! Commits: look at the nodes, plan, and let the servers check what was seen; again if somebody was faster.

use std::cell::Cell;
use std::collections::BTreeSet;

use tokio::time::sleep;
use zookeeper_client::{
    Client, CreateMode, Error as ZkError, MultiWriteError, MultiWriteResult, MultiWriter, Stat,
};

use super::RETRY_INTERVAL;
use super::link::{Connected, DELETIONS, Link, is_passing};
use super::plan::{Holds, Nodes, Seen, Step, nodes, plan};
use super::read::version;
use crate::key::ROOT;
use crate::transaction::{Committed, Transaction};
use crate::{CommitError, Error, Key};

/// Whether what is seen must not be older than the question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As this process last saw it; may be behind what others wrote.
    AsSeen,
    /// As it is.
    Fresh,
}

/// What became of one try.
enum Try {
    Landed(Vec<MultiWriteResult>),
    /// Somebody changed a node between the look and the write.
    Overtaken,
    /// It certainly did not land, and may be sent again.
    Again,
}

pub(super) fn seen(stat: &Stat) -> Seen {
    Seen {
        version: version(stat),
        data_version: stat.version,
        value: if stat.data_length > 0 { Holds::Value } else { Holds::Nothing },
        children: usize::try_from(stat.num_children).unwrap_or_default(),
    }
}

/// The state of some nodes, and the data version of the counter of deletions as it was before.
pub(super) async fn look(client: &Client, keys: &BTreeSet<Key>, how: Look) -> Result<(Nodes, i32), ZkError> {
    let synced = (how == Look::Fresh).then(|| client.sync(ROOT));
    let counter = client.check_stat(DELETIONS);
    let asked: Vec<_> = keys.iter().map(|key| (key, client.check_stat(key.as_str()))).collect();
    if let Some(synced) = synced {
        synced.await?;
    }
    let deletions = counter.await?.ok_or(ZkError::NoNode)?.version;
    let mut nodes = Nodes::new();
    for (key, stat) in asked {
        nodes.extend(stat.await?.map(|stat| (key.clone(), seen(&stat))));
    }
    Ok((nodes, deletions))
}

impl Link {
    /// Performs a transaction. `in_flight` is true while it may have landed without this being known.
    pub(super) async fn commit(
        &self,
        transaction: &Transaction,
        in_flight: &Cell<bool>,
    ) -> Result<Committed, CommitError> {
        let around = nodes(transaction);
        let begun = self.connected().await.epoch;
        let mut how = Look::AsSeen;
        loop {
            let Connected { client, epoch } = self.connected().await;
            if epoch != begun {
                return Err(Error::SessionOver.into());
            }
            let (nodes, deletions) = match look(&client, &around, how).await {
                Ok(looked) => looked,
                Err(error) => {
                    self.pause_after(&error).await?;
                    continue;
                }
            };
            let plan = match plan(transaction, &nodes, deletions) {
                Ok(plan) => plan,
                // A server may be behind the others; a conflict is told only of what is true.
                Err(_) if how == Look::AsSeen => {
                    how = Look::Fresh;
                    continue;
                }
                Err(key) => return Err(CommitError::Conflict { key }),
            };
            plan.check_size().map_err(Error::from)?;
            in_flight.set(true);
            let outcome = self.send(&client, &plan.steps).await;
            in_flight.set(false);
            match outcome? {
                Try::Landed(results) => return Ok(committed(transaction, &results)),
                Try::Overtaken => how = Look::Fresh,
                Try::Again => sleep(RETRY_INTERVAL).await,
            }
        }
    }

    /// Waits after a connection was lost before anything was sent; every other error is the outcome.
    pub(super) async fn pause_after(&self, error: &ZkError) -> Result<(), Error> {
        if !is_passing(error) {
            return Err(self.told(error));
        }
        sleep(RETRY_INTERVAL).await;
        Ok(())
    }

    async fn send(&self, client: &Client, steps: &[Step]) -> Result<Try, CommitError> {
        let mut writer = client.new_multi_writer();
        steps.iter().try_for_each(|step| self.add(&mut writer, step)).map_err(|error| self.told(&error))?;
        let (failure, index) = match writer.commit().await {
            Ok(results) => return Ok(Try::Landed(results)),
            Err(MultiWriteError::OperationFailed { index, source }) => (source, Some(index)),
            Err(MultiWriteError::RequestFailed { source }) => (source, None),
        };
        match failure {
            ZkError::BadVersion | ZkError::NoNode | ZkError::NodeExists | ZkError::NotEmpty => {
                Ok(Try::Overtaken)
            }
            ZkError::SessionExpired | ZkError::SessionMoved | ZkError::Throttled => Ok(Try::Again),
            error if index.is_some() || !is_passing(&error) => Err(self.told(&error).into()),
            _ => Err(CommitError::Unknown),
        }
    }

    fn add(&self, writer: &mut MultiWriter<'_>, step: &Step) -> Result<(), ZkError> {
        match step {
            Step::Check(key, data_version) => writer.add_check_version(key.as_str(), *data_version),
            Step::Create(key, data) => {
                writer.add_create(key.as_str(), data, &self.options(CreateMode::Persistent))
            }
            Step::Set(key, data, data_version) => {
                writer.add_set_data(key.as_str(), data, Some(*data_version))
            }
            Step::Delete(key, data_version) => writer.add_delete(key.as_str(), Some(*data_version)),
        }
    }
}

/// The versions that a transaction left behind: its own number for everything it wrote.
fn committed(transaction: &Transaction, results: &[MultiWriteResult]) -> Committed {
    let number = results.iter().find_map(|result| match result {
        MultiWriteResult::SetData { stat } => Some(version(stat)),
        _ => None,
    });
    let written = |value: &Option<Vec<u8>>| value.is_some().then_some(number).flatten();
    let versions = transaction.ops.iter().map(|op| (op.key.clone(), written(&op.value)));
    Committed { versions: versions.collect() }
}
