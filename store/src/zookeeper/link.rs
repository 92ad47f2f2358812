//! The connection: one session, its lease by our own clock, its one watch, and how it comes back.
//!
//! The client says `Expired` at 1.4 times the session's timeout, when the servers may have ended the session long ago;
//! and after an outage of all servers it says so although the session is alive. So neither its word nor its silence
//! counts. The lease ends by our own clock, measured from the sending of the last request that the leader answered;
//! and a session is over only when the servers refuse to take it up again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use logic::time::{BootTime, Span};
use sha1::{Digest, Sha1};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, Client, CreateMode, CreateOptions, Error as ZkError, EventType,
    Permission, PersistentWatcher, SessionInfo, SessionState,
};

use super::address::Address;
use super::ear::Sinks;
use crate::key::ROOT;
use crate::open::Secret;
use crate::session::{PATIENCE, boot_now};
use crate::{Error, Key, Session};

/// Counts deletions: a key that is made anew begins again at data version 0, so who relies on data versions also
/// checks that nothing was deleted meanwhile. Lies beside the records, so that no mirror sees it.
pub(super) const DELETIONS: &str = "/pvc-deletions";

/// Who we are to the servers.
const USER: &str = "pvc";

/// What is told when no session could be begun.
const NO_ANSWER: &str =
    "none of its servers answers; check that ZooKeeper runs there, and its port and TLS settings";

/// How long to wait before a connection that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// A client that is connected, or about to be again without a new session.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    /// The client.
    pub(super) client: Client,
    /// The session's number.
    pub(super) epoch: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    epoch: u64,
    until: BootTime,
}

/// Who sends something through this hears back when the sinks know of everything that was told until then.
type Ask = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// The connection to the servers.
#[derive(Debug)]
pub(super) struct Link {
    /// Where they are.
    pub(super) address: Address,
    /// Who listens.
    pub(super) sinks: Sinks,
    access: Vec<Acl>,
    secret: Secret,
    current: watch::Sender<Option<Connected>>,
    lease: Mutex<Lease>,
    hears: AtomicBool,
    ask: Ask,
    closing: watch::Sender<bool>,
}

/// Whether nothing is known about a request but that its connection went away.
pub(super) fn is_passing(error: &ZkError) -> bool {
    !matches!(
        error,
        ZkError::NoNode
            | ZkError::NoAuth
            | ZkError::AuthFailed
            | ZkError::BadVersion
            | ZkError::NodeExists
            | ZkError::NotEmpty
            | ZkError::NoChildrenForEphemerals
            | ZkError::InvalidAcl
            | ZkError::BadArguments(_)
            | ZkError::Unimplemented
            | ZkError::QuotaExceeded
    )
}

impl Link {
    pub(super) fn new(address: Address, secret: &Secret, ask: Ask) -> Self {
        let digest = STANDARD.encode(Sha1::digest(format!("{USER}:{}", secret.text())));
        let owner = AuthId::new("digest", &format!("{USER}:{digest}"));
        Self {
            address,
            sinks: Sinks::default(),
            access: vec![Acl::new(Permission::ALL, owner)],
            secret: secret.clone(),
            current: watch::Sender::new(None),
            lease: Mutex::default(),
            hears: AtomicBool::new(false),
            ask,
            closing: watch::Sender::new(false),
        }
    }

    /// Resolves when the store is being closed, so that nobody holds on to the session.
    pub(super) async fn closing(&self) {
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// How a node is made: nobody without the secret may read or change it.
    pub(super) fn options(&self, mode: CreateMode) -> CreateOptions<'_> {
        mode.with_acls(Acls::new(&self.access))
    }

    /// What the port tells of an error of the client.
    pub(super) fn told(&self, error: &ZkError) -> Error {
        match error {
            ZkError::NoAuth | ZkError::AuthFailed => {
                Error::Unauthorised { backend: self.address.name.clone() }
            }
            other => self.unreachable(other.to_string()),
        }
    }

    pub(super) fn unreachable(&self, why: String) -> Error {
        Error::Unreachable { backend: self.address.name.clone(), why }
    }

    /// The session; waits while there is none.
    pub(super) async fn connected(&self) -> Connected {
        let mut current = self.current.subscribe();
        let connected = current.wait_for(Option::is_some).await;
        let connected = connected.expect("the sender lives in this link");
        connected.clone().expect("it was waited for")
    }

    /// Resolves when the sinks have been told of everything that the servers had told before this was called. What the
    /// servers tell comes in order: after an answer to `sync` that is everything that was committed before it.
    pub(super) async fn heard(&self) {
        let (answer, heard) = oneshot::channel();
        if self.ask.send(answer).is_ok() {
            let _ = heard.await;
        }
    }

    /// The session as this process may rely on it.
    pub(super) fn session(&self) -> Session {
        let Lease { epoch, until } = *self.lease();
        let current = self.current.borrow();
        let speaks = current.as_ref().is_some_and(|now| now.client.state() == SessionState::SyncConnected);
        Session {
            epoch,
            until: Some(until),
            connected: speaks && self.hears.load(Ordering::SeqCst) && boot_now() < until,
            patience: PATIENCE,
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().expect("nobody panics while looking at the lease")
    }

    /// The first session.
    pub(super) async fn open(&self) -> Result<(Client, PersistentWatcher), Error> {
        let opened = self.establish(None).await.map_err(|error| match error {
            ZkError::Timeout | ZkError::NoHosts => self.unreachable(NO_ANSWER.into()),
            other => self.told(&other),
        })?;
        self.check_access(&opened.0).await?;
        Ok(opened)
    }

    /// A root that somebody else made, and may open to others, is not used.
    async fn check_access(&self, client: &Client) -> Result<(), Error> {
        let (access, _) = client.get_acl(ROOT).await.map_err(|error| self.told(&error))?;
        if access == self.access {
            return Ok(());
        }
        Err(self.unreachable(format!("{ROOT} there has another access list than PVC gives; it is not used")))
    }

    /// Connects, with a new session or a saved one, and is in order when it returns: up to date, with its nodes
    /// there and its watch set.
    async fn establish(&self, saved: Option<SessionInfo>) -> Result<(Client, PersistentWatcher), ZkError> {
        let identity = format!("{USER}:{}", self.secret.text());
        let mut connector = Client::connector()
            .with_session_timeout(self.address.session_timeout)
            .with_auth("digest", identity.as_bytes());
        if let Some(saved) = saved {
            connector = connector.with_session(saved);
        }
        if let Some(tls) = &self.address.tls {
            connector = connector.with_tls(tls.clone());
        }
        let asked = boot_now();
        let client = match self.address.tls {
            Some(_) => connector.secure_connect(&self.address.servers).await?,
            None => connector.connect(&self.address.servers).await?,
        };
        // A client that is dropped ends its session, so one that is alive is kept until it is in order.
        let watcher = loop {
            match self.prepare(&client).await {
                Ok(watcher) => break watcher,
                Err(error) if is_passing(&error) && !client.state().is_terminated() => {
                    sleep(RETRY_INTERVAL).await;
                }
                Err(error) => return Err(error),
            }
        };
        self.publish(&client, asked);
        Ok((client, watcher))
    }

    async fn prepare(&self, client: &Client) -> Result<PersistentWatcher, ZkError> {
        client.sync(ROOT).await?;
        for path in [ROOT, DELETIONS] {
            while let Err(error) = client.get_data(path).await {
                let made = match error {
                    ZkError::NoNode => client.create(path, b"", &self.options(CreateMode::Persistent)).await,
                    error => return Err(error),
                };
                match made {
                    Ok(_) | Err(ZkError::NodeExists) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        client.watch(ROOT, AddWatchMode::PersistentRecursive).await
    }

    fn publish(&self, client: &Client, asked: BootTime) {
        let epoch = u64::from_ne_bytes(client.session_id().0.to_ne_bytes());
        self.extend(client, epoch, asked);
        self.current.send_replace(Some(Connected { client: client.clone(), epoch }));
        self.sinks.doubt();
        self.hears.store(true, Ordering::SeqCst);
    }

    /// Moves the end of the lease: `sent` is when the request left that the leader has answered. A server tells the
    /// leader of its sessions every half tick, and a session is never granted for less than two ticks; so a quarter
    /// of the timeout covers what a server that dies had not told yet.
    fn extend(&self, client: &Client, epoch: u64, sent: BootTime) {
        let granted_ms = client.session_timeout().as_millis() * 3 / 4;
        let until = sent + Span(u64::try_from(granted_ms).expect("a session lives for seconds"));
        let mut lease = self.lease();
        let before = if lease.epoch == epoch { lease.until } else { BootTime(0) };
        *lease = Lease { epoch, until: until.max(before) };
    }

    /// Keeps the session for as long as the store is used; replaces it when the servers say that it is over.
    pub(super) async fn keep(
        self: Arc<Self>,
        mut client: Client,
        mut watcher: PersistentWatcher,
        mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        loop {
            tokio::select! {
                () = self.hear(&client, &mut watcher, &mut asked) => {}
                () = self.beat(&client) => {}
            }
            self.hears.store(false, Ordering::SeqCst);
            self.current.send_replace(None);
            drop(watcher);
            (client, watcher) = self.return_to(client.into_session()).await;
        }
    }

    /// Passes on what the watch tells until the client has given up. After a reconnect the watch is set anew, since the
    /// client (0.11.2) does not do that for recursive ones, and everything is in doubt, since what happened between
    /// is not told.
    async fn hear(
        &self,
        client: &Client,
        watcher: &mut PersistentWatcher,
        asked: &mut mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        loop {
            let event = tokio::select! {
                biased;
                event = watcher.changed() => event,
                Some(answer) = asked.recv() => {
                    let _ = answer.send(());
                    continue;
                }
            };
            match (event.event_type, event.session_state) {
                (EventType::Session, state) if state.is_terminated() => return,
                (EventType::Session, SessionState::SyncConnected) => {
                    // If this fails the connection is gone again, or the client, which is told next.
                    if let Ok(fresh) = client.watch(ROOT, AddWatchMode::PersistentRecursive).await {
                        *watcher = fresh;
                        self.sinks.doubt();
                        self.hears.store(true, Ordering::SeqCst);
                    }
                }
                (EventType::Session, _) => self.hears.store(false, Ordering::SeqCst),
                _ => self.sinks.changed(&Key::new(&event.path)),
            }
        }
    }

    /// Asks the leader, not just the next server: one that is cut off from the others still answers reads.
    async fn beat(&self, client: &Client) {
        let epoch = u64::from_ne_bytes(client.session_id().0.to_ne_bytes());
        let session_timeout = client.session_timeout();
        loop {
            let sent = boot_now();
            if let Ok(Ok(())) = timeout(session_timeout, client.sync(ROOT)).await {
                self.extend(client, epoch, sent);
            }
            sleep(session_timeout / 6).await;
        }
    }

    /// Takes up the saved session again, for as long as no server says that it is over; then begins a new one.
    async fn return_to(&self, saved: SessionInfo) -> (Client, PersistentWatcher) {
        let mut saved = Some(saved);
        loop {
            let error = match self.establish(saved.clone()).await {
                Ok(returned) => return returned,
                Err(error) => error,
            };
            match error {
                ZkError::SessionExpired if saved.is_some() => {
                    tracing::warn!(store = %self.address.name, "the session is over; a new one begins");
                    saved = None;
                }
                error => {
                    tracing::warn!(store = %self.address.name, %error, "no session yet; trying again");
                    sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }

    /// Ends the session, so that what was announced is gone at once. The keeper must have ended.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        let Some(Connected { client, .. }) = self.current.send_replace(None) else { return };
        let mut state = client.state_watcher();
        drop(client);
        let closed =
            async { while !state.peek_state().is_terminated() && !state.changed().await.is_terminated() {} };
        if timeout(Duration::from_secs(1), closed).await.is_err() {
            tracing::warn!(store = %self.address.name, "the session could not be closed; it ends with its lease");
        }
    }
}
