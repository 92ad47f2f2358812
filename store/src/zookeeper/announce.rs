//! Announcements: nodes that live as long as the session, put in the place of a stale one.

use logic::record::Version;
use tokio::time::sleep;
use zookeeper_client::{Client, CreateMode, Error as ZkError, MultiWriteResult};

use super::RETRY_INTERVAL;
use super::link::{Connected, DELETIONS, Link, is_passing};
use super::read::{to_data, version};
use crate::{Error, Key};

impl Link {
    /// Announces under the session as it is; done twice it does no harm.
    pub(super) async fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error> {
        loop {
            let Connected { client, .. } = self.connected().await;
            match self.announce_once(&client, key, &to_data(value)).await {
                Ok(Some(version)) => return Ok(version),
                Ok(None) => {}
                Err(ZkError::NoNode) => match self.make_places(&client, key).await {
                    Ok(()) => {}
                    Err(error) => self.pause_after(&error).await?,
                },
                Err(error) if is_passing(&error) => sleep(RETRY_INTERVAL).await,
                Err(error) => return Err(self.told(&error)),
            }
        }
    }

    /// One try; `None` when somebody was faster.
    async fn announce_once(
        &self,
        client: &Client,
        key: &Key,
        data: &[u8],
    ) -> Result<Option<Version>, ZkError> {
        let path = key.as_str();
        let present = client.check_stat(path).await?;
        if let Some(stat) = present
            && stat.ephemeral_owner == client.session_id().0
        {
            return settled(client.set_data(path, data, Some(stat.version)).await.map(|stat| version(&stat)));
        }
        let mut writer = client.new_multi_writer();
        if let Some(stat) = present {
            writer.add_delete(path, Some(stat.version))?;
        }
        writer.add_create(path, data, &self.options(CreateMode::Ephemeral))?;
        // It is made anew with an old data version, as after a deletion.
        writer.add_set_data(DELETIONS, b"", None)?;
        let made = match writer.commit().await.map_err(ZkError::from) {
            Err(ZkError::NoNode) if present.is_none() => return Err(ZkError::NoNode),
            results => settled(results)?,
        };
        let number = |results: Vec<MultiWriteResult>| match results.last() {
            Some(MultiWriteResult::SetData { stat }) => version(stat),
            other => unreachable!("the last step writes the counter, and was answered with {other:?}"),
        };
        Ok(made.map(number))
    }

    /// Makes the places above a key.
    pub(super) async fn make_places(&self, client: &Client, key: &Key) -> Result<(), ZkError> {
        let Some((above, _)) = key.as_str().rsplit_once('/') else { return Ok(()) };
        client.mkdir(above, &self.options(CreateMode::Persistent)).await
    }
}

fn settled<T>(outcome: Result<T, ZkError>) -> Result<Option<T>, ZkError> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(ZkError::BadVersion | ZkError::NoNode | ZkError::NodeExists) => Ok(None),
        Err(error) => Err(error),
    }
}
