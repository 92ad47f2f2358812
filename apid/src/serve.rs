//! Listening, with or without TLS, until the daemon is told to stop; open streams are then ended.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use logic::config::ApiConfig;
use tokio::sync::watch;

/// How long requests may take to end when the daemon stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How long the head of a request may take to arrive.
const HEADER_WAIT: Duration = Duration::from_secs(30);

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}; see whether another program does, and \"api.listen\" in pvc.toml")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("the TLS certificate {certificate} with the key {key} cannot be used")]
    Certificate {
        /// PEM file of the chain.
        certificate: String,
        /// PEM file of the key.
        key: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The listening ended by itself.
    #[error("the API ended")]
    Ended {
        /// The kernel's reason.
        source: io::Error,
    },
}

/// A socket that listens, and TLS for it where it is configured.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    tls: Option<Tls>,
}

/// TLS, and where it came from.
#[derive(Clone, Debug)]
pub struct Tls {
    config: RustlsConfig,
    certificate: String,
    key: String,
}

impl Tls {
    async fn read(certificate: &str, key: &str) -> Result<Self, Error> {
        let told = |source| Error::Certificate { certificate: certificate.into(), key: key.into(), source };
        let config =
            RustlsConfig::from_pem_file(Path::new(certificate), Path::new(key)).await.map_err(told)?;
        Ok(Self { config, certificate: certificate.into(), key: key.into() })
    }

    /// Reads certificate and key anew, for connections from now on. On failure the old ones stay.
    ///
    /// # Errors
    /// [`Error::Certificate`] when they cannot be used.
    pub async fn renew(&self) -> Result<(), Error> {
        let told = |source| Error::Certificate {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        };
        self.config.reload_from_pem_file(&self.certificate, &self.key).await.map_err(told)
    }
}

impl Door {
    /// Begins to listen; connections wait until [`Door::serve`] takes them.
    ///
    /// # Errors
    /// [`Error`] names the address or the certificate.
    pub async fn open(config: &ApiConfig) -> Result<Self, Error> {
        let tls = match (&config.tls_certificate_file, &config.tls_key_file) {
            (Some(certificate), Some(key)) => Some(Tls::read(certificate, key).await?),
            _ => None,
        };
        let address = config.listen;
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok(Self { listener: listen().map_err(|source| Error::Listen { address, source })?, tls })
    }

    /// The address, with the port that was chosen where none was asked for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// TLS, for who renews its certificate.
    pub fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// Answers until `stopping` becomes true; requests then have a few seconds to end.
    ///
    /// # Errors
    /// [`Error::Ended`] with the kernel's reason.
    pub async fn serve(self, router: Router, mut stopping: watch::Receiver<bool>) -> Result<(), Error> {
        let handle = Handle::<SocketAddr>::new();
        let stop = handle.clone();
        tokio::spawn(async move {
            // The sender lives as long as the daemon: its end is a wish to stop, too.
            drop(stopping.wait_for(|stopping| *stopping).await);
            stop.graceful_shutdown(Some(STOP_WAIT));
        });
        let service = router.into_make_service();
        let ended = |source| Error::Ended { source };
        // The workers take the connections, too: one that the thread of `main` took would have to be handed over to them,
        // which takes two threads' waking up before the first request of every connection.
        let serving = match self.tls {
            Some(tls) => {
                let mut server = axum_server::from_tcp_rustls(self.listener, tls.config).map_err(ended)?;
                bound_waits(server.http_builder());
                tokio::spawn(server.handle(handle).serve(service))
            }
            None => {
                let mut server = axum_server::from_tcp(self.listener).map_err(ended)?;
                bound_waits(server.http_builder());
                tokio::spawn(server.handle(handle).serve(service))
            }
        };
        serving.await.map_err(|broken| ended(broken.into()))?.map_err(ended)
    }
}

/// Hangs up on clients that begin a request and do not go on.
fn bound_waits(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_WAIT);
}

/// What the daemon is told to stop with, and to whom that is told.
pub fn stop_signal() -> (Arc<watch::Sender<bool>>, watch::Receiver<bool>) {
    let (sender, receiver) = watch::channel(false);
    (Arc::new(sender), receiver)
}
