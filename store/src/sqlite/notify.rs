//! How one process learns of another's commit: a ping to its socket, and a slow poll of the change log behind it.

use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::connect;
use crate::{Key, Sink};

/// How often the change log is read when no ping comes.
const POLL: Duration = Duration::from_millis(500);

/// Counts the listeners of this process, so that each has a socket of its own.
static NUMBER: AtomicU64 = AtomicU64::new(0);

type Sinks = Mutex<Vec<(Key, Weak<dyn Sink>)>>;

/// Who listens in this process, and how far they have been told.
#[derive(Debug)]
struct Ears {
    sinks: Sinks,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    connection: Connection,
    seen: i64,
}

/// The listeners to one file, in all processes.
#[derive(Debug)]
pub(super) struct Listeners {
    folder: PathBuf,
    sender: Mutex<Option<UnixDatagram>>,
    own: Mutex<Option<Arc<Ears>>>,
}

impl Listeners {
    pub(super) fn new(path: &Path) -> Self {
        let mut folder = path.as_os_str().to_owned();
        folder.push(".listeners");
        Self { folder: folder.into(), sender: Mutex::default(), own: Mutex::default() }
    }

    /// Tells every listener that there may be something new. Best effort: the poll stands behind it.
    pub(super) fn ping(&self) {
        let Ok(sockets) = fs::read_dir(&self.folder) else { return };
        let mut sender = self.sender.lock().expect("nobody panics while pinging");
        if sender.is_none() {
            *sender = UnixDatagram::unbound().ok();
            if let Some(socket) = &*sender {
                let _ = socket.set_nonblocking(true);
            }
        }
        let Some(socket) = &*sender else { return };
        for entry in sockets.flatten() {
            let refused = socket
                .send_to(b"!", entry.path())
                .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
            if refused {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Tells `sink` of changes from now on. The first one starts this process's listening thread.
    pub(super) fn listen(&self, path: &Path, key: &Key, sink: &Arc<dyn Sink>) -> io::Result<()> {
        let mut own = self.own.lock().expect("nobody panics while listening begins");
        let ears = match &*own {
            Some(ears) => Arc::clone(ears),
            None => own.insert(self.start(path)?).clone(),
        };
        ears.sinks.lock().expect("no sink panics").push((key.clone(), Arc::downgrade(sink)));
        Ok(())
    }

    /// Tells the sinks of this process of everything up to now.
    pub(super) fn catch_up(&self) -> Result<(), rusqlite::Error> {
        let ears = self.own.lock().expect("nobody panics while listening begins").clone();
        ears.map_or(Ok(()), |ears| ears.tell())
    }

    fn start(&self, path: &Path) -> io::Result<Arc<Ears>> {
        fs::create_dir_all(&self.folder)?;
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let address = self.folder.join(format!("{}-{number}", std::process::id()));
        let _ = fs::remove_file(&address);
        let socket = UnixDatagram::bind(&address)?;
        socket.set_read_timeout(Some(POLL))?;
        let connection = connect(path).map_err(io::Error::other)?;
        let seen = newest(&connection).map_err(io::Error::other)?;
        let ears = Arc::new(Ears { sinks: Sinks::default(), log: Mutex::new(Log { connection, seen }) });
        let listening = Arc::downgrade(&ears);
        let listen = move || {
            let mut buffer = [0; 16];
            loop {
                let _ = socket.recv(&mut buffer);
                let Some(ears) = listening.upgrade() else { break };
                if let Err(error) = ears.tell() {
                    tracing::warn!(%error, "the change log could not be read");
                    doubt(&ears.sinks);
                }
            }
            let _ = fs::remove_file(&address);
        };
        std::thread::Builder::new().name("store-watch".into()).spawn(listen)?;
        Ok(ears)
    }
}

impl Ears {
    /// Tells the sinks of what they have not been told. Who comes second waits until the first has told.
    fn tell(&self) -> Result<(), rusqlite::Error> {
        let mut log = self.log.lock().expect("no sink panics");
        let Log { connection, seen } = &mut *log;
        tell(connection, seen, &self.sinks)
    }
}

fn newest(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached("SELECT coalesce(max(version), 0) FROM changes")?
        .query_row([], |row| row.get(0))
}

fn oldest(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached("SELECT coalesce(min(version), 0) FROM changes")?
        .query_row([], |row| row.get(0))
}

/// Tells the sinks of everything that changed since `seen`.
fn tell(connection: &Connection, seen: &mut i64, sinks: &Sinks) -> Result<(), rusqlite::Error> {
    let now = newest(connection)?;
    if now == *seen {
        return Ok(());
    }
    if now < *seen || oldest(connection)? > *seen + 1 {
        *seen = now;
        doubt(sinks);
        return Ok(());
    }
    let mut query =
        connection.prepare_cached("SELECT key FROM changes WHERE version > ?1 AND version <= ?2")?;
    let keys = query.query_map(params![*seen, now], |row| row.get::<_, String>(0))?;
    let keys: Vec<Key> = keys.map(|key| key.map(|key| Key::new(&key))).collect::<Result<_, _>>()?;
    *seen = now;
    for (root, sink) in living(sinks) {
        let covered: Vec<Key> = keys.iter().filter(|key| root.covers(key)).cloned().collect();
        if !covered.is_empty() {
            sink.changed(&covered);
        }
    }
    Ok(())
}

fn doubt(sinks: &Sinks) {
    for (_, sink) in living(sinks) {
        sink.doubt();
    }
}

fn living(sinks: &Sinks) -> Vec<(Key, Arc<dyn Sink>)> {
    let mut sinks = sinks.lock().expect("no sink panics");
    sinks.retain(|(_, sink)| sink.strong_count() > 0);
    sinks.iter().filter_map(|(key, sink)| Some((key.clone(), sink.upgrade()?))).collect()
}
