//! What the API sees of the cluster, and how it changes it: the mirror's latest snapshot, never older than allowed, and
//! writes that are answered only when the snapshot shows them.
//!
//! No request waits for the store to be answered, but one that writes, is refused, or asks for what is not in sight: the
//! snapshot is then confirmed first. The store may be away when the daemon starts; it is tried until it is there.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use logic::cluster::{Cluster, VmEntry};
use logic::id::{VmId, VmName};
use logic::record::Records;
use store::mirror::{Mirror, Scope, Snapshot};
use store::{CommitError, Store};
use tokio::sync::watch;

use crate::error::ApiError;

/// A snapshot that was confirmed longer ago is not answered from, unless it is configured otherwise.
pub const AGE_MAX: Duration = Duration::from_secs(10);

/// How long a request waits for the first snapshot, and for its confirmation.
const SIGHT_WAIT: Duration = Duration::from_secs(2);

/// How long a write waits until the mirror shows it.
const SHOW_WAIT: Duration = Duration::from_secs(5);

/// How often a write is decided anew because others changed its records in between.
const ATTEMPTS_MAX: usize = 8;

/// How often the snapshot's confirmation is looked up.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);

/// How long after a failure the store is tried again.
const OPEN_INTERVAL: Duration = Duration::from_secs(1);

/// What a request changes, and what it tells when that is done.
#[derive(Debug)]
pub struct Change<T> {
    /// The records; `None` when everything is as asked already.
    pub records: Option<Records>,
    /// What is told.
    pub told: T,
}

/// The store, once it is open, and its mirror.
#[derive(Debug)]
struct Opened {
    store: Arc<dyn Store>,
    mirror: Arc<Mirror>,
}

/// The API's sight of the cluster.
#[derive(Debug)]
pub struct View {
    backend: String,
    age_max: Duration,
    opened: OnceLock<Opened>,
    fault: Mutex<Option<String>>,
    latest: watch::Sender<Option<Snapshot>>,
}

impl View {
    /// Opens the store on a thread of its own, again and again until it succeeds, and then keeps the sight fresh.
    /// `backend` is the store as it is configured; nothing is answered from a snapshot older than `age_max`.
    pub fn open(
        backend: &str,
        age_max: Duration,
        open: impl Fn() -> Result<Arc<dyn Store>, store::Error> + Send + 'static,
    ) -> Arc<Self> {
        let view = Arc::new(Self {
            backend: backend.into(),
            age_max,
            opened: OnceLock::new(),
            fault: Mutex::new(None),
            latest: watch::Sender::new(None),
        });
        let weak = Arc::downgrade(&view);
        let keep = move || {
            while let Some(view) = weak.upgrade() {
                match open() {
                    Ok(store) => {
                        view.adopt(store);
                        drop(view);
                        return confirm(&weak);
                    }
                    Err(error) => view.note_fault(&error),
                }
                drop(view);
                std::thread::sleep(OPEN_INTERVAL);
            }
        };
        std::thread::Builder::new().name("view".into()).spawn(keep).expect("the machine has threads left");
        view
    }

    fn adopt(self: &Arc<Self>, store: Arc<dyn Store>) {
        let mirror = Arc::new(Mirror::new(Arc::clone(&store), Scope::Everything));
        let (weak, own) = (Arc::downgrade(self), Arc::downgrade(&mirror));
        mirror.on_change(move || {
            if let Some((view, mirror)) = weak.upgrade().zip(own.upgrade()) {
                take_over(&mirror, &view.latest);
            }
        });
        mirror.spawn();
        *self.fault.lock().expect("no thread panics while it notes a fault") = None;
        drop(self.opened.set(Opened { store, mirror }));
        tracing::info!(store = %self.backend, "the store is open");
    }

    fn note_fault(&self, error: &store::Error) {
        let text = error.to_string();
        let mut fault = self.fault.lock().expect("no thread panics while it notes a fault");
        if fault.as_deref() != Some(&text) {
            tracing::warn!(%error, "the store cannot be opened; trying again");
            *fault = Some(text);
        }
    }

    /// The latest snapshot that may be answered from.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when there is none that was confirmed within the age that is allowed.
    pub async fn snapshot(&self) -> Result<Snapshot, ApiError> {
        let mut latest = self.latest.subscribe();
        if latest.borrow_and_update().is_none() {
            // It is late only in the first moments of the process.
            drop(tokio::time::timeout(SIGHT_WAIT, latest.changed()).await);
        }
        let snapshot = latest.borrow().clone();
        match snapshot {
            Some(snapshot) if snapshot.confirmed.elapsed() <= self.age_max => Ok(snapshot),
            Some(snapshot) => Err(ApiError::Unavailable {
                why: format!(
                    "The store {} has not answered for {} s, so the cluster's records may be out of date. They are \
                     shown again as soon as it answers: see whether it runs, and the log of pvcapid for the reason.",
                    self.backend,
                    snapshot.confirmed.elapsed().as_secs()
                ),
            }),
            None => Err(self.never_read()),
        }
    }

    fn never_read(&self) -> ApiError {
        let fault = self.fault.lock().expect("no thread panics while it notes a fault").clone();
        let why = fault.unwrap_or_else(|| format!("the store {} has not answered yet", self.backend));
        ApiError::Unavailable {
            why: format!(
                "The cluster's records could not be read since the API started: {why}. It goes on trying: see whether \
                 the store runs and whether \"store\" in pvc.toml is right."
            ),
        }
    }

    /// The latest records.
    ///
    /// # Errors
    /// As [`View::snapshot`].
    pub async fn cluster(&self) -> Result<Arc<Cluster>, ApiError> {
        Ok(self.snapshot().await?.cluster)
    }

    /// The records as they are now, confirmed by the store after this was called.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the store does not answer.
    pub async fn confirmed(&self) -> Result<Snapshot, ApiError> {
        let opened = self.opened.get().ok_or_else(|| self.never_read())?;
        let (mirror, latest) = (Arc::clone(&opened.mirror), self.latest.clone());
        let confirmed = blocking(move || {
            let confirmed = mirror.wait_confirmed(SIGHT_WAIT);
            take_over(&mirror, &latest);
            confirmed
        });
        if confirmed.await? {
            return self.snapshot().await;
        }
        Err(ApiError::Unavailable {
            why: format!(
                "The store {} does not answer, so it cannot be said whether what you ask for exists. Try again when the \
                 store is back.",
                self.backend
            ),
        })
    }

    /// What `find` finds in the records. Before it is said not to be there, the records are confirmed.
    ///
    /// # Errors
    /// As [`View::snapshot`] and [`View::confirmed`].
    pub async fn find<T>(&self, find: impl Fn(&Arc<Cluster>) -> Option<T>) -> Result<Option<T>, ApiError> {
        match find(&self.cluster().await?) {
            Some(found) => Ok(Some(found)),
            None => Ok(find(&self.confirmed().await?.cluster)),
        }
    }

    /// A VM by its name or UUID.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], or as [`View::find`].
    pub async fn vm(&self, name_or_uuid: &str) -> Result<(Arc<Cluster>, VmId, Arc<VmEntry>), ApiError> {
        let find = |cluster: &Arc<Cluster>| {
            let (id, entry) = cluster.find_vm(name_or_uuid)?;
            Some((Arc::clone(cluster), id, Arc::clone(entry)))
        };
        let could_be = name_or_uuid.parse::<VmName>().is_ok() || name_or_uuid.parse::<VmId>().is_ok();
        let found = if could_be { self.find(find).await? } else { None };
        found.ok_or_else(|| ApiError::unknown("VM", name_or_uuid))
    }

    /// How old what is answered from is.
    pub fn age(&self) -> Option<Duration> {
        self.latest.borrow().as_ref().map(|snapshot| snapshot.confirmed.elapsed())
    }

    /// Waits until the records show something; `None` when they did not within `most`.
    pub async fn wait_for<T>(&self, most: Duration, find: impl Fn(&Arc<Cluster>) -> Option<T>) -> Option<T> {
        let mut latest = self.latest.subscribe();
        let wait = async {
            loop {
                let found = latest.borrow_and_update().as_ref().and_then(|snapshot| find(&snapshot.cluster));
                if found.is_some() {
                    return found;
                }
                if latest.changed().await.is_err() {
                    return None;
                }
            }
        };
        tokio::time::timeout(most, wait).await.unwrap_or_default()
    }

    /// Decides a change on the latest records and writes it, guarded by what it was decided on; decided anew when
    /// others were faster. Returns when the snapshot shows it.
    ///
    /// # Errors
    /// What `accept` refuses; [`ApiError::Conflict`] when others were faster every time; [`ApiError::Unavailable`]
    /// when the store does not answer.
    pub async fn write<T>(
        &self,
        accept: impl Fn(&Cluster) -> Result<Change<T>, ApiError>,
    ) -> Result<T, ApiError> {
        let mut conflict = ApiError::Defect;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = self.snapshot().await?;
            let change = match accept(&snapshot.cluster) {
                Ok(change) => change,
                // What is refused may have been changed a moment ago, through another coordinator.
                Err(refusal) => match self.confirmed().await {
                    Ok(newer) if newer.revision != snapshot.revision => accept(&newer.cluster)?,
                    _ => return Err(refusal),
                },
            };
            let Some(records) = change.records else { return Ok(change.told) };
            match self.commit(records).await? {
                Ok(Landed::Shown) => return Ok(change.told),
                Ok(Landed::Hidden) => {
                    return Err(ApiError::Unavailable {
                        why: "The change is written, but this API cannot see it yet because the store does not answer \
                              its reads. Do not repeat it; look again in a moment."
                            .into(),
                    });
                }
                Err(error @ CommitError::Conflict { .. }) => {
                    conflict = error.into();
                    self.wait_newer(snapshot.revision).await;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Err(conflict)
    }

    async fn commit(&self, records: Records) -> Result<Result<Landed, CommitError>, ApiError> {
        let opened = self.opened.get().ok_or_else(|| self.never_read())?;
        let (store, mirror) = (Arc::clone(&opened.store), Arc::clone(&opened.mirror));
        let latest = self.latest.clone();
        let commit = move || {
            let committed = store::records::commit_records(&*store, &records)?;
            let shown = mirror.wait_shows(&committed, SHOW_WAIT);
            take_over(&mirror, &latest);
            Ok(if shown { Landed::Shown } else { Landed::Hidden })
        };
        blocking(commit).await
    }

    /// Waits a moment for a snapshot that differs from the one a change was decided on.
    async fn wait_newer(&self, revision: u64) {
        let mut latest = self.latest.subscribe();
        let newer = |snapshot: &Option<Snapshot>| snapshot.as_ref().is_some_and(|s| s.revision > revision);
        drop(tokio::time::timeout(Duration::from_secs(1), latest.wait_for(newer)).await);
    }
}

/// Where a committed change stands.
enum Landed {
    Shown,
    Hidden,
}

/// Looks up when the mirror was last confirmed, which it does not tell by itself.
fn confirm(view: &Weak<View>) {
    while let Some(view) = view.upgrade() {
        if let Some(opened) = view.opened.get() {
            take_over(&opened.mirror, &view.latest);
        }
        drop(view);
        std::thread::sleep(CONFIRM_INTERVAL);
    }
}

/// Takes over the mirror's snapshot. Handlers read this copy, because the mirror's own is locked while it reads.
fn take_over(mirror: &Mirror, latest: &watch::Sender<Option<Snapshot>>) {
    let Some(fresh) = mirror.snapshot() else { return };
    let newer = |old: &Snapshot| (fresh.revision, fresh.confirmed) > (old.revision, old.confirmed);
    latest.send_if_modified(|latest| {
        if !latest.as_ref().is_none_or(newer) {
            return false;
        }
        let changed = latest.as_ref().is_none_or(|old| old.revision != fresh.revision);
        *latest = Some(fresh.clone());
        changed
    });
}

/// Runs what blocks on a thread for such things.
///
/// # Errors
/// [`ApiError::Defect`] when it panicked.
pub async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(act).await.map_err(|error| {
        tracing::error!(%error, "a blocking call panicked");
        ApiError::Defect
    })
}
