//! Streams over TCP with mutual TLS 1.3: both sides show a certificate of the cluster's authority, and the node that
//! answers must be the one that was dialled.
//!
//! The handshake is a part of the first reads and writes, under their deadlines, so that accepting waits for nobody.
//! Sessions are not resumed: every connection proves again who is at its ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

use super::{Hangup, Listener, Transport, bound};

/// How long the kernel keeps a connection whose other end acknowledges nothing: a machine that lost its power answers
/// nobody, and what a node sends while it has nothing to say is too little to block.
const UNACKNOWLEDGED_MS: u32 = 20_000;

/// How long a handshake may take where nobody said how long.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How much of a socket is read at once, in bytes. TLS takes 4 KiB at a time, and each read of a socket is two calls of
/// the kernel's: what is brought through another node's API comes in many MiB.
const HEARD_BYTES: usize = 4 << 10;
const HEARD_BYTES_MAX: usize = 64 << 10;

/// How long the other side is listened to after it was refused, so that it can read why before the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why PEM texts are no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} cannot be used for TLS: {why}")]
pub struct BadIdentity {
    /// Which of them.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// Who this machine is, and by whose word others are believed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Identity {
    /// Of three PEM texts: the authority's certificate, this node's and its key. The node's must be good for servers
    /// and for clients.
    ///
    /// # Errors
    /// [`BadIdentity`] names the part that cannot be used.
    pub fn from_pem(authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, BadIdentity> {
        let bad = |what| move |why: &dyn std::error::Error| BadIdentity { what, why: why.to_string() };
        let (of_authority, of_certificate, of_key) =
            (bad("authority's certificate"), bad("certificate"), bad("key"));
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority).map_err(|error| of_authority(&error))?;
        roots.add(root).map_err(|error| of_authority(&error))?;
        let roots = Arc::new(roots);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| of_certificate(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| of_key(&error))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believed = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let believed = believed.build().map_err(|error| of_authority(&error))?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_client_cert_verifier(believed)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| of_certificate(&error))?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| of_certificate(&error))?;
        client.resumption = Resumption::disabled();
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// Where streams over TCP are accepted.
#[derive(Debug)]
pub struct TlsListener {
    listener: TcpListener,
    server: Mutex<Arc<ServerConfig>>,
}

impl TlsListener {
    /// The address, with the port that the kernel chose where none was asked for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Shows another certificate to whoever connects from now on.
    pub fn renew(&self, identity: &Identity) {
        *self.server.lock().expect("nobody panics while holding it") = Arc::clone(&identity.server);
    }
}

/// Listens at an address for those whom the identity's authority vouches for.
///
/// # Errors
/// The kernel's, such as [`io::ErrorKind::AddrInUse`].
pub fn listen_tls(address: SocketAddr, identity: &Identity) -> io::Result<TlsListener> {
    let listener = TcpListener::bind(address)?;
    Ok(TlsListener { listener, server: Mutex::new(Arc::clone(&identity.server)) })
}

impl Listener for TlsListener {
    fn accept(&self) -> io::Result<Box<dyn Transport>> {
        let (socket, _) = self.listener.accept()?;
        let server = Arc::clone(&self.server.lock().expect("nobody panics while holding it"));
        let tls = ServerConnection::new(server).map_err(io::Error::other)?;
        Ok(Box::new(Stream::new(tls.into(), socket)?))
    }

    fn close(&self) {
        // As with a unix socket, this wakes whoever waits for a connection.
        let _ = nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}

/// Connects to a node and lets it prove that it is the one. The addresses are tried in turn; all of it is done, or has
/// failed, when `wait_max` is over.
///
/// # Errors
/// The kernel's for the last address; [`io::ErrorKind::InvalidData`] around a [`rustls::Error`] when either side does
/// not believe the other.
pub(crate) fn connect(
    addresses: &[SocketAddr],
    node: &str,
    identity: &Identity,
    wait_max: Duration,
) -> io::Result<Box<dyn Transport>> {
    let end = Instant::now() + wait_max;
    let name = ServerName::try_from(node.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "its name is no host name"))?;
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for (left_count, address) in (1..=addresses.len()).rev().zip(addresses) {
        let count = u32::try_from(left_count).expect("no host has thousands of millions of addresses");
        let share = end.saturating_duration_since(Instant::now()) / count;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(socket) => {
                let tls =
                    ClientConnection::new(Arc::clone(&identity.client), name).map_err(io::Error::other)?;
                let mut stream = Stream::new(tls.into(), socket)?;
                stream.read_by = end;
                stream.bound_writes(end.saturating_duration_since(Instant::now()))?;
                stream.shake_hands()?;
                return Ok(Box::new(stream));
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// One end of a connection.
#[derive(Debug)]
struct Stream {
    tls: Connection,
    socket: TcpStream,
    /// When a read has waited long enough. One read of plain bytes may take many of the socket's.
    read_by: Instant,
    /// What came over the socket; TLS has not taken what is between the two places yet.
    heard: Vec<u8>,
    from: usize,
    to: usize,
}

impl Stream {
    fn new(tls: Connection, socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        setsockopt(&socket, TcpUserTimeout, &UNACKNOWLEDGED_MS)?;
        socket.set_write_timeout(bound(HANDSHAKE))?;
        let (read_by, heard) = (Instant::now() + HANDSHAKE, vec![0; HEARD_BYTES]);
        Ok(Self { tls, socket, read_by, heard, from: 0, to: 0 })
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() {
            self.receive()?;
        }
        self.send()
    }

    /// Sends what TLS has to send.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Waits for bytes from the other side, and takes in what they complete.
    fn receive(&mut self) -> io::Result<()> {
        self.send()?;
        if self.from == self.to {
            self.hear()?;
        }
        self.from += self.tls.read_tls(&mut &self.heard[self.from..self.to])?;
        match self.tls.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                self.refuse();
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Waits for bytes from the socket. There is room for more of them after a read that filled it.
    fn hear(&mut self) -> io::Result<()> {
        let left = self.read_by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(bound(left))?;
        let count = self.socket.read(&mut self.heard)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.from, self.to) = (0, count);
        if count == self.heard.len() && count < HEARD_BYTES_MAX {
            self.heard.resize(2 * count, 0);
        }
        Ok(())
    }

    /// Says why the other side is not believed. Closing with bytes unread would take the words back.
    fn refuse(&mut self) {
        let end = Instant::now() + FAREWELL;
        if self.send().is_err() || self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut unheard = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let waits = !left.is_zero() && self.socket.set_read_timeout(bound(left)).is_ok();
            if !waits || !matches!(self.socket.read(&mut unheard), Ok(1..)) {
                return;
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.receive()?,
                read => return read,
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shake_hands()?;
        let count = self.tls.writer().write(bytes)?;
        self.send()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Transport for Stream {
    fn bound_reads(&mut self, wait_max: Duration) -> io::Result<()> {
        self.read_by = Instant::now() + wait_max;
        Ok(())
    }

    fn bound_writes(&mut self, wait_max: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(bound(wait_max))
    }

    fn hangup(&self) -> io::Result<Box<dyn Hangup>> {
        Ok(Box::new(self.socket.try_clone()?))
    }
}

impl Hangup for TcpStream {
    fn hang_up(&self) {
        // It fails only where the other side has hung up already, which is what is wanted.
        drop(self.shutdown(Shutdown::Both));
    }
}
