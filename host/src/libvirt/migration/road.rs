//! The way to the libvirt of another machine: TLS, at its address on the cluster network.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// How long the target has to take a connection.
const REACH_WITHIN: Duration = Duration::from_secs(3);

/// How the libvirt of another machine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Road {
    /// Where every libvirt listens for TLS.
    pub tls_port: u16,
    /// The folder, as this machine's libvirt sees it, with the certificates it shows to others: `cacert.pem`,
    /// `clientcert.pem` and `clientkey.pem`. `None` for libvirt's own places.
    pub certificates: Option<PathBuf>,
}

impl Default for Road {
    /// libvirt's own port and places.
    fn default() -> Self {
        Self { tls_port: 16514, certificates: None }
    }
}

impl Road {
    /// Whether the libvirt there can be reached at all. libvirt itself tries for two minutes, during which it hears no
    /// abort and no power button. The error is for the operator.
    pub(super) fn reach(&self, to: IpAddr) -> Result<(), String> {
        let there = SocketAddr::new(to, self.tls_port);
        let tried = TcpStream::connect_timeout(&there, REACH_WITHIN);
        tried.map(drop).map_err(|error| format!("{there} cannot be reached: {error}"))
    }

    /// The address of the libvirt there.
    pub(super) fn uri(&self, to: IpAddr) -> String {
        let folder = self.certificates.as_ref().map(|folder| format!("&pkipath={}", folder.display()));
        format!("qemu+tls://{}:{}/system?no_tty=1{}", host(to), self.tls_port, folder.unwrap_or_default())
    }
}

/// An address as a URI has it.
pub(super) fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests;
