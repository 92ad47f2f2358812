//! Locks: a line of numbered nodes that live as long as their sessions; whoever nobody before is in the way of holds it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logic::record::{Expect, Version};
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, CreateMode, Error as ZkError, Stat};

use super::ear::Bell;
use super::link::{Connected, Link, is_passing};
use super::read::version;
use super::{CALL_DEADLINE, RETRY_INTERVAL, ZooKeeper};
use crate::lock::{Lock, LockKind, LockRequest};
use crate::{Error, Guard, Key, Sink};

/// How long a release waits for its answer before it goes on in the background.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// Somebody who waits looks again after this long even if nothing rings.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// One who stands in line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Grows towards the end of the line.
    number: u64,
    /// Whether it goes together with readers.
    shares: bool,
    /// The node's name: `r` or `w`, who it is, and the number that the servers gave.
    name: String,
}

impl Place {
    fn of(name: String) -> Option<Self> {
        let (who, number) = name.rsplit_once('-')?;
        let number = number.parse().ok()?;
        Some(Self { number, shares: who.starts_with('r'), name })
    }

    fn lets(&self, later: &Place) -> bool {
        self.shares && later.shares
    }
}

/// A node in the line, and the session it lives as long as.
#[derive(Clone, Debug)]
struct Spot {
    key: Key,
    epoch: u64,
}

/// Stands in line until the lock is held or the request's time is over.
pub(super) fn wait(store: &ZooKeeper, request: &LockRequest) -> Result<Box<dyn Lock>, Error> {
    let bell = Arc::new(Bell::default());
    let sink: Arc<dyn Sink> = bell.clone();
    store.link().sinks.add(&request.key, &sink);
    let spot = RefCell::new(None);
    let link = store.link();
    let held = store.run(request.wait + CALL_DEADLINE, link.stand(request, &bell, &spot));
    let spot = spot.into_inner();
    match (held, spot) {
        (Some(Ok(version)), Some(spot)) => {
            Ok(Box::new(ZooKeeperLock { store: store.clone(), spot, version }))
        }
        (held, spot) => {
            if let Some(spot) = spot {
                leave(store, spot);
            }
            Err(held.and_then(Result::err).unwrap_or_else(|| store.late(CALL_DEADLINE)))
        }
    }
}

impl Link {
    /// Waits in line; `spot` tells from when on there is something to leave.
    async fn stand(
        &self,
        request: &LockRequest,
        bell: &Bell,
        spot: &RefCell<Option<Spot>>,
    ) -> Result<Version, Error> {
        let began = Instant::now();
        let who = format!("{}-{}-", kind(request.kind), uuid::Uuid::new_v4().simple());
        let (stat, place) = self.join(request, &who, spot).await?;
        loop {
            let free = self.ask(async |client| is_free(client, &request.key, &place).await).await?;
            match free {
                Some(true) => return Ok(version(&stat)),
                None => return Err(Error::SessionOver),
                Some(false) => {}
            }
            let Some(left) = request.wait.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                let waited_ms = u64::try_from(request.wait.as_millis()).unwrap_or(u64::MAX);
                return Err(Error::Busy { key: request.key.clone(), waited_ms });
            };
            let _ = timeout(left.min(LOOK_INTERVAL), bell.0.notified()).await;
        }
    }

    /// Joins the end of the line, once: after a lost answer it looks for its node before it makes another.
    async fn join(
        &self,
        request: &LockRequest,
        who: &str,
        spot: &RefCell<Option<Spot>>,
    ) -> Result<(Stat, Place), Error> {
        let prefix = request.key.child(who);
        loop {
            let Connected { client, epoch } = self.connected().await;
            let options = self.options(CreateMode::EphemeralSequential);
            let joined = client.create(prefix.as_str(), request.owner.as_bytes(), &options).await;
            let found = match joined {
                Ok((stat, number)) => Ok(Some((stat, format!("{who}{number}")))),
                Err(ZkError::NoNode) => self.make_places(&client, &prefix).await.map(|()| None),
                Err(error) if is_passing(&error) => {
                    sleep(RETRY_INTERVAL).await;
                    find(&client, &request.key, who).await
                }
                Err(error) => Err(error),
            };
            match found {
                Ok(Some((stat, name))) => {
                    *spot.borrow_mut() = Some(Spot { key: request.key.child(&name), epoch });
                    let place = Place::of(name).expect("the servers number what they are asked to");
                    return Ok((stat, place));
                }
                Ok(None) => {}
                Err(error) => self.pause_after(&error).await?,
            }
        }
    }
}

fn kind(kind: LockKind) -> char {
    match kind {
        LockKind::Read => 'r',
        LockKind::Write | LockKind::Exclusive => 'w',
    }
}

async fn find(client: &Client, line: &Key, who: &str) -> Result<Option<(Stat, String)>, ZkError> {
    let names = match client.list_children(line.as_str()).await {
        Err(ZkError::NoNode) => Vec::new(),
        names => names?,
    };
    let Some(name) = names.into_iter().find(|name| name.starts_with(who)) else { return Ok(None) };
    let stat = client.check_stat(line.child(&name).as_str()).await?;
    Ok(stat.map(|stat| (stat, name)))
}

/// Whether nobody before is in the way; `None` when the place itself is gone.
async fn is_free(client: &Client, line: &Key, place: &Place) -> Result<Option<bool>, ZkError> {
    let synced = client.sync(line.as_str());
    let names = client.list_children(line.as_str());
    synced.await?;
    let places: Vec<Place> = names.await?.into_iter().filter_map(Place::of).collect();
    if !places.contains(place) {
        return Ok(None);
    }
    Ok(Some(places.iter().all(|before| before >= place || before.lets(place))))
}

/// Leaves the line: at once if the servers answer, else as soon as they do.
fn leave(store: &ZooKeeper, spot: Spot) {
    let left = store.run(RELEASE_WAIT, go(store.link(), &spot));
    if left.is_none() {
        let link = Arc::clone(&store.inner.link);
        store.inner.runtime.spawn(async move {
            tokio::select! {
                () = go(&link, &spot) => {}
                () = link.closing() => {}
            }
        });
    }
}

/// Removes the node, unless its session is over and it is gone with it.
async fn go(link: &Link, spot: &Spot) {
    loop {
        let Connected { client, epoch } = link.connected().await;
        if epoch != spot.epoch {
            return;
        }
        match client.delete(spot.key.as_str(), None).await {
            Ok(()) | Err(ZkError::NoNode) => return,
            Err(error) if is_passing(&error) => sleep(RETRY_INTERVAL).await,
            Err(error) => {
                tracing::warn!(lock = %spot.key, %error, "a lock could not be released; it ends with the session");
                return;
            }
        }
    }
}

#[derive(Debug)]
struct ZooKeeperLock {
    store: ZooKeeper,
    spot: Spot,
    version: Version,
}

impl Lock for ZooKeeperLock {
    /// The number of the transaction that joined the line, which grows along it.
    fn term(&self) -> u64 {
        self.version.0
    }

    fn guard(&self) -> Guard {
        Guard { key: self.spot.key.clone(), expect: Expect::Version(self.version) }
    }
}

impl Drop for ZooKeeperLock {
    fn drop(&mut self) {
        leave(&self.store, self.spot.clone());
    }
}
