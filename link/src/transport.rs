//! The streams that frames travel on, and the places where they are accepted.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

mod tls;

pub(crate) use tls::connect as connect_tls;
pub use tls::{BadIdentity, Identity, TlsListener, listen_tls};

/// A stream in both directions whose waits can be bounded.
pub trait Transport: Read + Write + Send + Debug {
    /// How long a read may wait from now on before it fails with [`io::ErrorKind::WouldBlock`] or
    /// [`io::ErrorKind::TimedOut`].
    ///
    /// # Errors
    /// The kernel's, when the stream is gone.
    fn bound_reads(&mut self, wait_max: Duration) -> io::Result<()>;

    /// How long a write may wait from now on.
    ///
    /// # Errors
    /// The kernel's, when the stream is gone.
    fn bound_writes(&mut self, wait_max: Duration) -> io::Result<()>;

    /// A way to end the stream from another thread: its reads and writes fail from then on.
    ///
    /// # Errors
    /// The kernel's, when there is no handle left.
    fn hangup(&self) -> io::Result<Box<dyn Hangup>>;
}

/// Ends a stream from another thread.
pub trait Hangup: Send + Sync + Debug {
    /// Ends it; nothing happens when it has ended.
    fn hang_up(&self);
}

/// Where streams are accepted.
pub trait Listener: Send + Sync + Debug {
    /// Waits for the next stream.
    ///
    /// # Errors
    /// The kernel's; after [`Listener::close`] always one.
    fn accept(&self) -> io::Result<Box<dyn Transport>>;

    /// Accepts nothing from now on; one that waits in [`Listener::accept`] returns.
    fn close(&self);
}

/// The kernel takes a bound of zero for none at all.
fn bound(wait_max: Duration) -> Option<Duration> {
    Some(wait_max.max(Duration::from_millis(1)))
}

impl Transport for UnixStream {
    fn bound_reads(&mut self, wait_max: Duration) -> io::Result<()> {
        self.set_read_timeout(bound(wait_max))
    }

    fn bound_writes(&mut self, wait_max: Duration) -> io::Result<()> {
        self.set_write_timeout(bound(wait_max))
    }

    fn hangup(&self) -> io::Result<Box<dyn Hangup>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Hangup for UnixStream {
    fn hang_up(&self) {
        // It fails only where the other side has hung up already, which is what is wanted.
        drop(self.shutdown(Shutdown::Both));
    }
}

impl Listener for UnixListener {
    fn accept(&self) -> io::Result<Box<dyn Transport>> {
        let (stream, _) = UnixListener::accept(self)?;
        Ok(Box::new(stream))
    }

    fn close(&self) {
        // On Linux this wakes whoever waits for a connection, which dropping the listener would not.
        let _ = nix::sys::socket::shutdown(self.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}

/// Listens at a path. A socket file that a dead process left there is replaced; one that a living process listens at
/// is not.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when another process listens there; else the kernel's.
pub fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}
