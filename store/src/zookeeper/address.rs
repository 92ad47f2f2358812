//! What the configuration says of ZooKeeper: its servers, and behind a question mark its settings.

use std::fs;
use std::time::Duration;

use zookeeper_client::TlsOptions;

use crate::Error;

/// How long a session lives without contact unless configured; fencing waits for it.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// The port of servers that are named without one.
const PORT: u16 = 2181;

/// The same where the connection is encrypted.
const TLS_PORT: u16 = 2281;

/// Which settings there are.
const KNOWN: &str = "tls_ca, tls_certificate, tls_key, session_timeout_ms";

/// Where ZooKeeper is and how to speak to it.
#[derive(Debug)]
pub(super) struct Address {
    /// As it is shown.
    pub(super) name: String,
    /// As the client takes it.
    pub(super) servers: String,
    /// What is asked for; the servers may grant another.
    pub(super) session_timeout: Duration,
    /// Present where the connection is to be encrypted.
    pub(super) tls: Option<TlsOptions>,
}

impl Address {
    /// Reads `node1,node2:2181?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE&session_timeout_ms=N`, split at its
    /// commas.
    ///
    /// # Errors
    /// [`Error::Address`] says what is wrong.
    pub(super) fn parse(servers: &[String]) -> Result<Self, Error> {
        let whole = servers.join(",");
        let (hosts, settings) = whole.split_once('?').unwrap_or((&whole, ""));
        let (mut ca, mut certificate, mut key) = (None, None, None);
        let mut session_timeout = SESSION_TIMEOUT;
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            match setting.split_once('=') {
                Some(("tls_ca", file)) => ca = Some(pem(file)?),
                Some(("tls_certificate", file)) => certificate = Some(pem(file)?),
                Some(("tls_key", file)) => key = Some(pem(file)?),
                Some(("session_timeout_ms", text)) => session_timeout = timeout(text)?,
                _ => return Err(refused(format!("\"{setting}\" sets none of {KNOWN}"))),
            }
        }
        let tls = match (ca, certificate, key) {
            (None, None, None) => None,
            (Some(ca), None, None) => Some(tls(TlsOptions::new().with_pem_ca(&ca))?),
            (Some(ca), Some(certificate), Some(key)) => {
                let options = TlsOptions::new().with_pem_ca(&ca);
                Some(tls(options.and_then(|options| options.with_pem_identity(&certificate, &key)))?)
            }
            _ => {
                return Err(refused(
                    "TLS needs tls_ca alone, or with both tls_certificate and tls_key".into(),
                ));
            }
        };
        let port = if tls.is_some() { TLS_PORT } else { PORT };
        let servers = hosts.split(',').map(|host| server(host, port)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { name: format!("zookeeper://{hosts}"), servers: servers.join(","), session_timeout, tls })
    }

    /// Whether what is said, the secret included, can be read on a network.
    pub(super) fn is_overheard(&self) -> bool {
        let local = |server: &str| ["127.", "localhost:", "[::1]:"].iter().any(|own| server.starts_with(own));
        self.tls.is_none() && !self.servers.split(',').all(local)
    }
}

fn refused(why: String) -> Error {
    Error::Address { why }
}

fn pem(file: &str) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| refused(format!("{file}: {error}")))
}

fn tls(options: Result<TlsOptions, zookeeper_client::Error>) -> Result<TlsOptions, Error> {
    options.map_err(|error| refused(format!("the TLS files: {error}")))
}

fn timeout(text: &str) -> Result<Duration, Error> {
    match text.parse() {
        Ok(timeout_ms @ 1_000..=60_000) => Ok(Duration::from_millis(timeout_ms)),
        _ => Err(refused(format!("session_timeout_ms is \"{text}\"; it must lie between 1000 and 60000"))),
    }
}

/// One server with its port. Only what a host name or an address is made of gets through to the client.
fn server(host: &str, port: u16) -> Result<String, Error> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-._:[]".contains(character);
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(refused(format!("\"{host}\" is not a host name or an address")));
    }
    let (name, given) = match host.rsplit_once(':') {
        Some((name, given)) if !host.ends_with(']') => (name, given),
        _ => return Ok(format!("{host}:{port}")),
    };
    match given.parse::<u16>() {
        Ok(given) if !name.is_empty() && given > 0 => Ok(format!("{name}:{given}")),
        _ => Err(refused(format!("\"{host}\" has no port such as {port}"))),
    }
}

#[cfg(test)]
mod tests;
