//! What the API sees of the cluster, and how it changes it: the mirror's latest snapshot, never older than allowed, and
//! writes that are answered only when the snapshot shows them.
//!
//! No request waits for the store to be answered, but one that writes or is about to say that something does not
//! exist. The store may be away when the daemon starts; it is tried again until it is there.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use logic::cluster::{Cluster, VmEntry};
use logic::id::{VmId, VmName};
use logic::record::{RecordId, Records};
use store::mirror::{Mirror, Scope, Snapshot};
use store::{CommitError, Store};
use tokio::sync::watch;

use crate::error::ApiError;

/// A snapshot that was confirmed longer ago is not answered from, unless it is configured otherwise.
pub const AGE_MAX: Duration = Duration::from_secs(10);

/// How long a request waits for the first snapshot, and for one that shows what is known to be there.
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
        let weak = Arc::downgrade(self);
        mirror.on_change(move || {
            if let Some(view) = weak.upgrade() {
                view.look();
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

    /// Takes over the mirror's snapshot. Handlers read this copy, because the mirror's own is locked while it reads.
    fn look(&self) {
        let Some(fresh) = self.opened.get().and_then(|opened| opened.mirror.snapshot()) else { return };
        let newer = |old: &Snapshot| (fresh.revision, fresh.confirmed) > (old.revision, old.confirmed);
        self.latest.send_if_modified(|latest| {
            if !latest.as_ref().is_none_or(newer) {
                return false;
            }
            let changed = latest.as_ref().is_none_or(|old| old.revision != fresh.revision);
            *latest = Some(fresh.clone());
            changed
        });
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

    /// A VM by its name or UUID. Before it is said not to exist, the store itself is asked.
    ///
    /// # Errors
    /// [`ApiError::Unknown`], or as [`View::snapshot`].
    pub async fn vm(&self, name_or_uuid: &str) -> Result<(Arc<Cluster>, VmId, Arc<VmEntry>), ApiError> {
        let find = |cluster: &Arc<Cluster>| {
            let (id, entry) = cluster.find_vm(name_or_uuid)?;
            Some((Arc::clone(cluster), id, Arc::clone(entry)))
        };
        if let Some(found) = find(&self.cluster().await?) {
            return Ok(found);
        }
        let name = name_or_uuid.parse::<VmName>().ok().map(RecordId::VmName);
        let id = name_or_uuid.parse::<VmId>().ok().map(RecordId::Vm);
        let seen = self.appears([name, id].into_iter().flatten().collect(), find).await?;
        seen.ok_or_else(|| ApiError::Unknown { what: "VM", name: name_or_uuid.into() })
    }

    /// Asks the store whether one of these records is there though the snapshot does not show it, and then waits for
    /// the snapshot that does.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the store does not answer.
    pub async fn appears<T>(
        &self,
        records: Vec<RecordId>,
        find: impl Fn(&Arc<Cluster>) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let opened = self.opened.get().ok_or_else(|| self.never_read())?;
        let store = Arc::clone(&opened.store);
        let keys: Vec<_> = records.iter().map(store::key::path).collect();
        let read = move || if keys.is_empty() { Ok(Vec::new()) } else { store.read_together(&keys) };
        let entries = blocking(read).await?.map_err(|error| ApiError::from(CommitError::Failed(error)))?;
        if entries.iter().all(Option::is_none) {
            return Ok(None);
        }
        Ok(self.wait_for(SIGHT_WAIT, find).await)
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
            let change = accept(&snapshot.cluster)?;
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
        let outcome = blocking(move || {
            let committed = store::records::commit_records(&*store, &records)?;
            Ok(if mirror.wait_shows(&committed, SHOW_WAIT) { Landed::Shown } else { Landed::Hidden })
        });
        let outcome = outcome.await;
        self.look();
        outcome
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
        view.look();
        drop(view);
        std::thread::sleep(CONFIRM_INTERVAL);
    }
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
