//! What can go wrong between a question and its answer: each says what was asked, what failed and what to do.

use std::io;

use super::{Endpoint, Scheme};

/// Why there is no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API understood, and said no or that it failed.
    #[error("{message}")]
    Refused {
        /// Method and address.
        asked: String,
        /// The HTTP status, 400 and above but not 401.
        status: u16,
        /// The API's own words, or ours where it had none.
        message: String,
    },
    /// The API wants another key.
    #[error("The API at {endpoint} does not accept this connection's key ({message}). {remedy}")]
    Unauthorized {
        /// The API.
        endpoint: String,
        /// Its words.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Nobody answered, or the connection broke.
    #[error("{asked} got no answer: {why}. {remedy}")]
    Unreachable {
        /// Method and address.
        asked: String,
        /// What happened to the connection.
        why: String,
        /// What to do.
        remedy: &'static str,
        /// The same in the library's words.
        #[source]
        source: Box<ureq::Error>,
    },
    /// Somebody answered, but not PVC.
    #[error(
        "{asked} was answered with status {status} and something that PVC does not say. Look whether the address and the port are those of pvcapid."
    )]
    NoAnswerOfPvc {
        /// Method and address.
        asked: String,
        /// The HTTP status.
        status: u16,
        /// Where reading it failed; `None` when it was not even JSON's turn.
        source: Option<serde_json::Error>,
    },
    /// A host name or key that cannot be sent.
    #[error(
        "{asked} cannot be sent: the connection's address or key holds a character that has no place there."
    )]
    BadRequest {
        /// Method and address.
        asked: String,
        /// What was wrong.
        source: ureq::http::Error,
    },
    /// TLS without root certificates.
    #[error(
        "The root certificates in {path} cannot be read. Install the package ca-certificates, or name another file in SSL_CERT_FILE."
    )]
    Certificates {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::NoAnswerOfPvc { status, .. } => Some(*status),
            Self::Unauthorized { .. } => Some(401),
            _ => None,
        }
    }

    /// Whether nobody was reached, so that nothing was asked: another API of the same cluster may be asked the same.
    #[must_use]
    pub fn reached_nobody(&self) -> bool {
        use io::ErrorKind;
        let Self::Unreachable { source, .. } = self else { return false };
        match &**source {
            ureq::Error::Io(cause) => matches!(
                cause.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            ),
            ureq::Error::Timeout(waited) => {
                matches!(waited, ureq::Timeout::Connect | ureq::Timeout::Resolve)
            }
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            _ => false,
        }
    }

    /// Whether PVC itself has answered, and not somebody else at its address.
    #[must_use]
    pub fn is_of_pvc(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unauthorized { .. })
    }

    /// Method and address of what was asked, where the text does not tell it already.
    #[must_use]
    pub fn asked(&self) -> Option<&str> {
        match self {
            Self::Refused { asked, .. } => Some(asked),
            _ => None,
        }
    }

    /// Whether asking again soon may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::NoAnswerOfPvc { status, .. } => {
                matches!(status, 429 | 502 | 503 | 504)
            }
            Self::Unreachable { source, .. } => match &**source {
                ureq::Error::Io(cause) => cause.kind() != io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn refusal(asked: String, endpoint: &Endpoint, status: u16, text: &str) -> Self {
        let body: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let message = body.as_ref().and_then(crate::message_text).filter(|message| !message.is_empty());
        if status == 401 {
            let remedy = match endpoint.token {
                Some(_) => {
                    "Give it one of the keys that [[api.token]] lists in the cluster's /etc/pvc/pvc.toml."
                }
                None => {
                    "It has no key yet: give it one that [[api.token]] lists in the cluster's /etc/pvc/pvc.toml."
                }
            };
            let message = message.unwrap_or_else(|| "status 401".into());
            let message = message.trim_end_matches('.').to_owned();
            return Self::Unauthorized { endpoint: endpoint.to_string(), message, remedy };
        }
        match message {
            Some(message) => Self::Refused { asked, status, message },
            None if status >= 500 || status == 404 || (300..400).contains(&status) => {
                Self::NoAnswerOfPvc { asked, status, source: None }
            }
            None => {
                let message = format!("{asked} was refused with status {status}, without a reason.");
                Self::Refused { asked, status, message }
            }
        }
    }

    pub(super) fn unreachable(asked: String, endpoint: &Endpoint, source: ureq::Error) -> Self {
        let (why, remedy) = explain(endpoint, &source);
        Self::Unreachable { asked, why, remedy, source: Box::new(source) }
    }
}

const LOOK: &str =
    "Look whether the address and the port of the connection are right, and whether pvcapid runs there.";

const TRUST: &str = "If the certificate is the cluster's own, put its authority among this machine's root certificates, \
                     or add the connection with --no-verify. If the API speaks no TLS at all, add the connection without --ssl.";

/// What happened to a connection, in words, and what to do about it.
fn explain(endpoint: &Endpoint, error: &ureq::Error) -> (String, &'static str) {
    use io::ErrorKind;
    match error {
        ureq::Error::Io(cause) => match cause.kind() {
            ErrorKind::ConnectionRefused => ("the connection was refused".into(), LOOK),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
                let remedy = match endpoint.scheme {
                    Scheme::Http => {
                        "Ask again; if it stays so, the API may want TLS, or has failed: its log knows more."
                    }
                    Scheme::Https => {
                        "Ask again; if it stays so, the API may not speak TLS, or has failed: its log knows more."
                    }
                };
                ("the connection was closed from the other side".into(), remedy)
            }
            // What fails within TLS arrives as invalid data of the connection below it.
            ErrorKind::InvalidData if endpoint.scheme == Scheme::Https => {
                (format!("TLS failed ({cause})"), TRUST)
            }
            _ => (cause.to_string().trim_end_matches('.').to_owned(), LOOK),
        },
        ureq::Error::Timeout(_) => (
            "it took too long".into(),
            "Ask again; if it stays so, look at the log of pvcapid and at the network.",
        ),
        ureq::Error::HostNotFound => (
            format!("the host name \"{}\" is not known", endpoint.host),
            "Mend the connection's address, or the name service.",
        ),
        ureq::Error::Rustls(cause) => (format!("TLS failed ({cause})"), TRUST),
        ureq::Error::Protocol(_) => (
            "what came back is not HTTP".into(),
            "The API may want TLS: add the connection with --ssl. Else look whether the port is right.",
        ),
        other => (other.to_string(), LOOK),
    }
}
