//! Reads, many in one request and many requests in flight, so that no answer is waited for before the next question.

use std::sync::Arc;

use logic::record::Version;
use zookeeper_client::{Client, Error as ZkError, MultiReadResult, MultiReader, Stat};

use crate::key::ROOT;
use crate::{Entry, Key};

/// How many nodes one request asks for. Small enough for answers of some hundred KiB, which bound the client's buffer.
const BATCH: usize = 128;

/// In front of a value that is empty or begins with this byte, so that only a node without a value has no data.
const ESCAPE: u8 = 0;

/// A value as a node's data.
pub(super) fn to_data(value: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match value.first() {
        None | Some(&ESCAPE) => [&[ESCAPE], value].concat().into(),
        Some(_) => value.into(),
    }
}

fn to_value(data: &[u8]) -> Option<Arc<[u8]>> {
    match data {
        [] => None,
        [ESCAPE, value @ ..] => Some(value.into()),
        value => Some(value.into()),
    }
}

/// The version that a node's state stands for: the number of the transaction that last wrote it.
pub(super) fn version(stat: &Stat) -> Version {
    Version(u64::try_from(stat.mzxid).expect("transaction numbers count up from one"))
}

fn entry(data: &[u8], stat: &Stat) -> Option<Entry> {
    Some(Entry { version: version(stat), value: to_value(data)? })
}

/// The value at a key, not before this call.
pub(super) async fn one(client: &Client, key: &Key) -> Result<Option<Entry>, ZkError> {
    let synced = client.sync(ROOT);
    let asked = client.get_data(key.as_str());
    synced.await?;
    match asked.await {
        Ok((data, stat)) => Ok(entry(&data, &stat)),
        Err(ZkError::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Values as they are at one point in time, which is not before this call.
pub(super) async fn together(client: &Client, keys: &[Key]) -> Result<Vec<Option<Entry>>, ZkError> {
    let synced = client.sync(ROOT);
    let mut reader = client.new_multi_reader();
    keys.iter().try_for_each(|key| reader.add_get_data(key.as_str()))?;
    let answered = reader.commit();
    synced.await?;
    let answers = answered.await?;
    answers.into_iter().map(|answer| Ok(data(answer)?.and_then(|(data, stat)| entry(&data, &stat)))).collect()
}

fn data(answer: MultiReadResult) -> Result<Option<(Vec<u8>, Stat)>, ZkError> {
    match answer {
        MultiReadResult::Data { data, stat } => Ok(Some((data, stat))),
        MultiReadResult::Error { err: ZkError::NoNode } => Ok(None),
        MultiReadResult::Error { err } => Err(err),
        other => Err(ZkError::UnexpectedError(format!("data was asked for, not {other:?}"))),
    }
}

fn names(answer: MultiReadResult) -> Result<Vec<String>, ZkError> {
    match answer {
        MultiReadResult::Children { children } => Ok(children),
        MultiReadResult::Error { err: ZkError::NoNode } => Ok(Vec::new()),
        MultiReadResult::Error { err } => Err(err),
        other => Err(ZkError::UnexpectedError(format!("names were asked for, not {other:?}"))),
    }
}

/// Puts the same question about many nodes, in batches that are all in flight together, and hands each answer on.
async fn about(
    client: &Client,
    keys: &[Key],
    question: impl Fn(&mut MultiReader<'_>, &str) -> Result<(), ZkError>,
    mut answered: impl FnMut(&Key, MultiReadResult) -> Result<(), ZkError>,
) -> Result<(), ZkError> {
    let mut requests = Vec::with_capacity(keys.len().div_ceil(BATCH));
    for batch in keys.chunks(BATCH) {
        let mut reader = client.new_multi_reader();
        batch.iter().try_for_each(|key| question(&mut reader, key.as_str()))?;
        requests.push((batch, reader.commit()));
    }
    for (batch, request) in requests {
        for (key, answer) in batch.iter().zip(request.await?) {
            answered(key, answer)?;
        }
    }
    Ok(())
}

/// The names directly below a key, without places that lead nowhere.
pub(super) async fn children(client: &Client, key: &Key) -> Result<Vec<String>, ZkError> {
    let synced = client.sync(ROOT);
    let listed = client.list_children(key.as_str());
    synced.await?;
    let listed = match listed.await {
        Err(ZkError::NoNode) => return Ok(Vec::new()),
        listed => listed?,
    };
    let nodes: Vec<_> = listed
        .into_iter()
        .map(|name| {
            let stat = client.check_stat(key.child(&name).as_str());
            (name, stat)
        })
        .collect();
    let mut names = Vec::with_capacity(nodes.len());
    for (name, stat) in nodes {
        if stat.await?.is_some_and(|stat| stat.data_length > 0 || stat.num_children > 0) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Everything at and below a key, level by level.
pub(super) async fn subtree(client: &Client, key: &Key) -> Result<Vec<(Key, Entry)>, ZkError> {
    client.sync(ROOT).await?;
    let mut found = Vec::new();
    let mut level = vec![key.clone()];
    while !level.is_empty() {
        let mut parents = Vec::new();
        about(
            client,
            &level,
            |reader, path| reader.add_get_data(path),
            |key, answer| {
                if let Some((data, stat)) = data(answer)? {
                    found.extend(entry(&data, &stat).map(|entry| (key.clone(), entry)));
                    if stat.num_children > 0 {
                        parents.push(key.clone());
                    }
                }
                Ok(())
            },
        )
        .await?;
        let mut below = Vec::new();
        about(
            client,
            &parents,
            |reader, path| reader.add_get_children(path),
            |key, answer| {
                below.extend(names(answer)?.into_iter().map(|name| key.child(&name)));
                Ok(())
            },
        )
        .await?;
        level = below;
    }
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
