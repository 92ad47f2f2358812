//! Where an API is, and how it is spoken to.

use std::fmt;

/// Whether the API speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Whose certificate is accepted over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// One that this machine's root certificates vouch for, made out to the host that is asked.
    #[default]
    System,
    /// Anyone's: for a connection to this very machine, or one whose owner has said so.
    Anyone,
}

/// An API.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub scheme: Scheme,
    /// Its host name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The key that it wants to see; `None` where it wants none.
    pub token: Option<String>,
    /// Whose certificate is accepted.
    pub trust: Trust,
}

impl Endpoint {
    /// The beginning of every address below it.
    pub(super) fn base(&self) -> String {
        format!("{self}/api/v1")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.token.is_some() { "with a key" } else { "without a key" };
        write!(f, "Endpoint({self}, {key}, {:?})", self.trust)
    }
}
