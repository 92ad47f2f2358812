//! Storage in Ceph, through librados and librbd: one connection, and a deadline on every call.
//!
//! Everything that is asked often (figures, lists, locks, the fence) goes over one connection that stays open, as
//! commands to the monitors and calls of librbd; no program is started for it. Each call runs on a thread of its own,
//! which it is left to when it is late: the three timeouts of librados then end it. So whatever of Ceph hangs holds up
//! nobody beyond the deadline, and a fence has places of its own that hung looks cannot take.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use logic::id::PoolName;
use logic::storage::VolumePath;
use serde_json::{Value, json};

use super::error::Refusal;
use super::{Abilities, Access, Cause, Error, Fence, Reach, SnapshotsOf, Storage};
use crate::calls::{Calls, Late};

mod access;
mod answers;
mod convert;
mod fence;
mod figures;
mod image;
mod library;
mod pools;
mod rados;
mod roster;
mod seen;
mod snapshots;
mod transfers;
mod trials;
mod volumes;

use image::Image;
use rados::{Cluster, Failure, PoolHandle};

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Lists, figures, and what is asked of the fence; also the opening of the connection.
    pub look: Duration,
    /// Changes: a large volume takes a while to remove.
    pub change: Duration,
    /// The answer of one OSD that is asked how far it is.
    pub osd: Duration,
    /// A transfer in which nothing moves.
    pub stall: Duration,
}

impl Default for Deadlines {
    /// 5 s for looks, 60 s for changes, 1 s for an OSD, 60 s for a transfer that stands still.
    fn default() -> Self {
        Self {
            look: Duration::from_secs(5),
            change: Duration::from_secs(60),
            osd: Duration::from_secs(1),
            stall: Duration::from_secs(60),
        }
    }
}

/// How long one operation of an OSD may take before librados gives it up: longer than an OSD's end needs to be noticed,
/// so that a failing disk does not fail what would have been done a moment later.
const OSD_OPERATION: Duration = Duration::from_secs(30);

/// How long the closing of a connection is waited for when nobody needs it any more.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// After a failed opening of the connection, calls that came meanwhile fail with it instead of trying again.
const FAILURE_COUNTS: Duration = Duration::from_millis(500);

/// For how long what is blocked stays so: ten years. An entry that expires is a second writer.
pub const BLOCK_EXPIRY: Duration = Duration::from_secs(315_360_000);

/// Which cluster, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Ceph's configuration file, which also names the keyring.
    pub file: String,
    /// The user, such as `client.admin`.
    pub user: String,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// For how long an address stays blocked, and whoever lost a lock. Anything but [`BLOCK_EXPIRY`] is for tests, which
    /// show what an entry that expires lets in.
    pub block_expiry: Duration,
}

impl Settings {
    /// The cluster of this configuration file, as this user, with the deadlines and the expiry of the product.
    pub fn usual(file: &str, user: &str) -> Self {
        Self {
            file: file.into(),
            user: user.into(),
            deadlines: Deadlines::default(),
            block_expiry: BLOCK_EXPIRY,
        }
    }
}

/// What a call is about, and so what it may wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// Anything, to look at it.
    Look,
    /// One pool, to change it.
    Pool(PoolName),
    /// One volume, to change it.
    Volume(VolumePath),
    /// The locks on one volume, to break them.
    Locks(VolumePath),
    /// The fence.
    Fence,
    /// The state of one OSD.
    Osd(i32),
    /// The state of one monitor.
    Monitor(String),
}

impl crate::calls::Subject for Subject {
    fn calls_max(&self) -> usize {
        match self {
            Self::Look => 8,
            Self::Fence | Self::Locks(_) => 4,
            Self::Pool(_) | Self::Volume(_) | Self::Osd(_) | Self::Monitor(_) => 1,
        }
    }
}

/// The connection, or why there is none.
#[derive(Debug, Default)]
struct Link {
    open: Option<Arc<Cluster>>,
    failure: Option<(Instant, Failure)>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    link: Mutex<Link>,
    calls: Calls<Subject>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let closed = close(self.link.get_mut().ok().and_then(|link| link.open.take()));
        // A process that ends while librados closes may crash: its own threads outlive what they use.
        let _told = closed.recv_timeout(CLOSE_WAIT);
    }
}

/// Storage in Ceph. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Ceph {
    inner: Arc<Inner>,
}

/// Why a call did not succeed: Ceph failed it, or we refuse it.
#[derive(Debug)]
enum Trouble {
    Failed(Failure),
    Refused(Refusal),
    NoWay(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a call comes to.
type Outcome<T = ()> = Result<T, Trouble>;

/// One call on the connection.
#[derive(Clone, Debug)]
struct Session {
    cluster: Arc<Cluster>,
}

impl Ceph {
    /// The storage in this cluster. Returns at once and begins to connect, so that the connection is there when a fence
    /// is needed; while there is none, each call tries again.
    pub fn open(settings: Settings) -> Self {
        let link = Mutex::default();
        let ceph = Self { inner: Arc::new(Inner { settings, link, calls: Calls::default() }) };
        let early = ceph.clone();
        let connect = move || {
            if let Err(trouble) = early.inner.connected() {
                tracing::warn!(?trouble, "Ceph is not reached yet");
            }
        };
        let _ = std::thread::Builder::new().name("ceph-connect".into()).spawn(connect);
        ceph
    }

    fn deadlines(&self) -> Deadlines {
        self.inner.settings.deadlines
    }

    /// A call that changes nothing.
    fn look<T: Send + 'static>(
        &self,
        what: &str,
        act: impl FnOnce(&Session) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(what, Subject::Look, self.deadlines().look, act)
    }

    /// A call that changes a pool.
    fn change_pool<T: Send + 'static>(
        &self,
        what: &str,
        pool: &PoolName,
        act: impl FnOnce(&Session, &PoolName) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let name = pool.clone();
        self.call(what, Subject::Pool(pool.clone()), self.deadlines().change, move |session| {
            act(session, &name)
        })
    }

    /// A call that changes a volume. Those on one volume are made one after the other.
    fn change<T: Send + 'static>(
        &self,
        what: &str,
        volume: &VolumePath,
        act: impl FnOnce(&Session, &VolumePath) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = volume.clone();
        let subject = Subject::Volume(volume.clone());
        self.call(what, subject, self.deadlines().change, move |session| act(session, &path))
    }

    /// Calls Ceph within the deadline.
    fn call<T: Send + 'static>(
        &self,
        what: &str,
        subject: Subject,
        deadline: Duration,
        act: impl FnOnce(&Session) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        let used = Arc::new(OnceLock::new());
        let uses = Arc::clone(&used);
        let began = Instant::now();
        let outcome = self.inner.calls.run(subject, began + deadline, move |claim| {
            let cluster = inner.connected()?;
            let _first = uses.set(Arc::downgrade(&cluster));
            if !claim.is_held() {
                return Err(Trouble::Failed(Failure::new(libc::ETIMEDOUT, "")));
            }
            act(&Session { cluster })
        });
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(trouble)) => Err(self.inner.told(what, began.elapsed(), trouble)),
            Err(late) => {
                if let (Late::UnderWay, Some(cluster)) = (late, used.get()) {
                    self.inner.doubt(cluster);
                }
                Err(Error::silent(what, deadline))
            }
        }
    }
}

impl Inner {
    /// The connection, opened if there is none.
    fn connected(&self) -> Outcome<Arc<Cluster>> {
        let came = Instant::now();
        let mut link = self.link.lock().expect("nobody panics while connecting");
        if let Some(cluster) = &link.open {
            return Ok(Arc::clone(cluster));
        }
        // Who waited here while another one failed does not fail again, as long: it would be late for nothing.
        if let Some((at, failure)) = &link.failure
            && *at + FAILURE_COUNTS > came
        {
            return Err(Trouble::NoWay(failure.text()));
        }
        let libraries = library::libraries().map_err(|why| Trouble::NoWay(why.to_owned()))?;
        match Cluster::connect(libraries, &self.settings.user, &self.settings.file, &self.options()) {
            Ok(cluster) => {
                let cluster = Arc::new(cluster);
                *link = Link { open: Some(Arc::clone(&cluster)), failure: None };
                Ok(cluster)
            }
            Err(failure) => {
                let why = match failure.code {
                    libc::ETIMEDOUT => "no monitor answered".to_owned(),
                    _ => failure.text(),
                };
                link.failure = Some((Instant::now(), Failure::new(failure.code, why.clone())));
                Err(Trouble::NoWay(why))
            }
        }
    }

    /// A call on this connection did not come back. Where a monitor answers on it all the same, librados has lost what it waits
    /// for, and waits for ever: the wait for a newer map, which every change of the blocklist ends with, has no timeout. The
    /// next call opens a new connection then. Where none answers, Ceph is silent, and the connection is as good as another.
    fn doubt(self: &Arc<Self>, cluster: &Weak<Cluster>) {
        let (inner, Some(cluster)) = (Arc::clone(self), cluster.upgrade()) else { return };
        let ask = move || {
            if cluster.ask_monitor(&json!({"prefix": "fsid"})).is_ok() && inner.retire(&cluster) {
                tracing::warn!(
                    "a call to Ceph did not come back though a monitor answers: a new connection is opened"
                );
            }
        };
        drop(std::thread::Builder::new().name("ceph-doubt".into()).spawn(ask));
    }

    /// Lets go of this connection, if it is the one that calls use. What still waits on it keeps it open.
    fn retire(&self, cluster: &Arc<Cluster>) -> bool {
        let mut link = self.link.lock().expect("nobody panics while connecting");
        let is_used = link.open.as_ref().is_some_and(|open| Arc::ptr_eq(open, cluster));
        if is_used {
            drop(close(link.open.take()));
        }
        is_used
    }

    /// What is set on the connection, whatever Ceph's configuration file says.
    fn options(&self) -> Vec<(&'static str, String)> {
        let seconds = |span: Duration| span.as_secs().max(1).to_string();
        let Settings { deadlines: Deadlines { look, change, .. }, block_expiry, .. } = &self.settings;
        let fixed = [
            // The loss of a monitor is noticed in 3 s: with the defaults a fence took 15 to 33 s then.
            ("mon_client_ping_interval", "1"),
            ("mon_client_ping_timeout", "2"),
            ("mon_client_hunt_interval", "1"),
            // What is uploaded is written once; a cache would only copy it.
            ("rbd_cache", "false"),
            // The daemon's log is its own.
            ("log_file", ""),
            ("log_to_stderr", "false"),
            ("err_to_stderr", "false"),
            ("admin_socket", ""),
        ];
        let mut options: Vec<_> = fixed.map(|(key, value)| (key, value.to_owned())).into();
        options.extend([
            ("client_mount_timeout", seconds(*look)),
            ("rados_mon_op_timeout", seconds(*look)),
            ("rados_osd_op_timeout", seconds(OSD_OPERATION.min(*change))),
            // Whoever loses a lock is blocked by librbd: by default for an hour, and writes again then.
            ("rbd_blocklist_expire_seconds", seconds(*block_expiry)),
        ]);
        options
    }

    /// What the caller is told of a trouble that came after so long. Where librados gave up by itself, that is less than the
    /// deadline.
    fn told(&self, what: &str, waited: Duration, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Refused(refusal) => Error::refused(what, refusal),
            Trouble::NoWay(why) => Error::Unreachable {
                why: format!("{why} (with {} of {})", self.settings.user, self.settings.file),
                remedy: "see that librados2 and librbd1 are installed, and the monitors are reached".into(),
            },
            Trouble::Failed(failure) if failure.code == libc::ETIMEDOUT => Error::silent(what, waited),
            Trouble::Failed(failure) if failure.code == libc::ESHUTDOWN => {
                // What such a connection was told stays with it: the next call opens a new one.
                drop(close(self.link.lock().expect("nobody panics while connecting").open.take()));
                let why = "this node is blocked at the storage";
                Error::refused(what, Refusal::new(Cause::Blocked, why, "see why it was fenced"))
            }
            Trouble::Failed(failure) => Error::refused(what, refusal(&failure)),
        }
    }
}

/// Lets go of a connection, and tells when it is closed. To close one to a cluster that hangs takes as long as the timeouts:
/// nobody waits for that.
fn close(cluster: Option<Arc<Cluster>>) -> Receiver<()> {
    let (done, closed) = sync_channel(1);
    if let Some(cluster) = cluster {
        let close = move || {
            drop(cluster);
            // Whoever let go of it may not wait.
            let _told = done.send(());
        };
        drop(std::thread::Builder::new().name("ceph-close".into()).spawn(close));
    }
    closed
}

/// What Ceph's refusals mean, where nobody knew better.
fn refusal(failure: &Failure) -> Refusal {
    let cause = match failure.code {
        libc::ENOENT => Cause::Absent,
        libc::EEXIST => Cause::Exists,
        libc::EBUSY => Cause::InUse,
        libc::ENOTEMPTY => Cause::Holds,
        libc::ENOSPC | libc::EDQUOT => Cause::Full,
        libc::EINVAL | libc::EOPNOTSUPP | libc::ERANGE => Cause::Unfit,
        _ => Cause::Other,
    };
    let remedy = match cause {
        Cause::Full => "remove what is not needed, raise the quota, or add space",
        _ => "see \"pvc storage status\"",
    };
    Refusal::new(cause, format!("Ceph says: {}", failure.text()), remedy)
}

impl Session {
    /// An open pool, by the newest map. By an older one its name may be that of a pool that was removed: nothing would be found
    /// in it, and what is not found counts as removed.
    fn pool(&self, pool: &PoolName) -> Outcome<Arc<PoolHandle>> {
        // To catch up has no timeout of librados's: whether a monitor answers is found out by what has one.
        self.ask(json!({"prefix": "fsid"}))?;
        self.cluster.catch_up()?;
        self.cluster.pool(pool.as_str()).map_err(|failure| match failure.code {
            libc::ENOENT => Refusal::no_pool(pool).into(),
            _ => failure.into(),
        })
    }

    /// A volume to look at; `None` where there is none.
    fn seen(&self, volume: &VolumePath) -> Outcome<Option<Image>> {
        match self.pool(&volume.pool)?.look(volume.volume.as_str(), None) {
            Ok(image) => Ok(Some(image)),
            Err(failure) if failure.code == libc::ENOENT => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A volume that must be there, to look at.
    fn demand(&self, volume: &VolumePath) -> Outcome<Image> {
        self.seen(volume)?.ok_or_else(|| Refusal::absent(format!("volume {volume}")).into())
    }

    /// A volume that must be there, to change.
    fn changed(&self, volume: &VolumePath) -> Outcome<Image> {
        match self.pool(&volume.pool)?.open(volume.volume.as_str()) {
            Ok(image) => Ok(image),
            Err(failure) if failure.code == libc::ENOENT => {
                Err(Refusal::absent(format!("volume {volume}")).into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Asks the monitors, for JSON.
    fn ask(&self, command: Value) -> Outcome<Value> {
        let mut command = command;
        command["format"] = "json".into();
        let answer = self.cluster.ask_monitor(&command)?;
        Ok(answers::parsed(&answer)?)
    }

    /// Tells the monitors to do something.
    fn tell(&self, command: &Value) -> Outcome {
        self.cluster.ask_monitor(command)?;
        Ok(())
    }
}

impl Storage for Ceph {
    fn abilities(&self) -> Abilities {
        Abilities { reach: Reach::EveryMachine, snapshots: SnapshotsOf::Any }
    }

    fn access(&self) -> Result<Access, Error> {
        let user = self.inner.settings.user.clone();
        let user = user.strip_prefix("client.").unwrap_or(&user).to_owned();
        self.look("tell how guests reach it", move |session| session.access(&user).map(Access::Ceph))
    }

    fn fence(&self) -> Option<&dyn Fence> {
        Some(self)
    }

    fn roster(&self) -> Option<&dyn crate::osd::Roster> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
