//! The node's identity: its key, its certificate and the cluster's authority, as files in one folder.
//!
//! | file | what it is | who may read it |
//! |---|---|---|
//! | `ca.crt` | the authority's certificate, the same on every node | everybody |
//! | `node.crt` | this node's, for servers and for clients, with its names and addresses | everybody |
//! | `node.key` | its key | root |
//! | `ca.key` | the authority's key, only where the authority was made | root |
//!
//! [`authority`] makes the authority and issues certificates; [`pki`] lays copies out for libvirt and QEMU. What is read
//! here has been checked as the other side of a connection will check it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use logic::id::NodeName;

mod certificate;
mod file;

pub mod authority;
pub mod pki;

use certificate::Certificate;

/// The authority's certificate.
pub const AUTHORITY_CERTIFICATE: &str = "ca.crt";
/// The authority's key.
pub const AUTHORITY_KEY: &str = "ca.key";
/// The node's certificate.
pub const CERTIFICATE: &str = "node.crt";
/// The node's key.
pub const KEY: &str = "node.key";

/// A certificate with less time left than this is renewed: a third of its life, so that an operator has months where
/// the authority's key is on another machine.
pub const RENEWAL: Duration = Duration::from_secs(243 * 24 * 3600);

/// What is wrong with an identity, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there.
    #[error(
        "{path} is missing; make this node's identity with \"pvcnoded identity issue\" on the node that has the \
         authority's key, and copy it here; on the first node of a cluster with \"pvcnoded identity create\""
    )]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{path} cannot be written")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read a key.
    #[error(
        "others than its owner may use the key {path} (mode {mode:03o}); remove it and issue a new identity, or \
         \"chmod 600 {path}\" if nobody can have read it"
    )]
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else owns a key.
    #[error("the key {path} belongs to the user {uid}, who can read and change it; \"chown root {path}\"")]
    Foreign {
        /// The key.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} is no {what} in PEM ({why}); issue the identity again")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Key and certificate do not belong together.
    #[error("the key {key} is not that of {certificate}; remove both and issue the identity again")]
    Mismatched {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Another authority issued the certificate.
    #[error(
        "{certificate} was not issued by the authority of {authority}; issue the identity again with this one"
    )]
    Stranger {
        /// The certificate.
        certificate: PathBuf,
        /// The authority's.
        authority: PathBuf,
    },
    /// The certificate's time is over.
    #[error("{path} expired on {expired}; issue it again with \"pvcnoded identity issue\"")]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// When.
        expired: String,
    },
    /// The certificate's time has not come.
    #[error("{path} is valid from {begins} only; see whether this machine's clock is right")]
    Early {
        /// The certificate.
        path: PathBuf,
        /// When it begins.
        begins: String,
    },
    /// The certificate is not for this node.
    #[error("{path} is for {names} and not for the node {node}; issue one for it")]
    Misnamed {
        /// The certificate.
        path: PathBuf,
        /// Whom it names.
        names: String,
        /// The node.
        node: NodeName,
    },
    /// The certificate cannot be used as both server and client, or not at all.
    #[error("{path} cannot be used for links between nodes ({why}); issue the identity again")]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no key to issue with.
    #[error("{path} is missing; certificates are issued on the node where the authority was made")]
    NoAuthority {
        /// Where the authority's key would be.
        path: PathBuf,
    },
    /// Another authority's certificate is in the way.
    #[error("{path} belongs to another authority; remove what is there if it is no longer wanted")]
    OtherAuthority {
        /// The other's certificate.
        path: PathBuf,
    },
    /// A name that no certificate can have.
    #[error("\"{name}\" is no host name")]
    BadName {
        /// The name.
        name: String,
    },
    /// A key or a certificate could not be made.
    #[error("{what} could not be made")]
    Unmade {
        /// What.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The node: how the other nodes call it.
    pub node: NodeName,
    /// Its other host names.
    pub names: Vec<String>,
    /// Its addresses, for those who dial one.
    pub addresses: Vec<IpAddr>,
}

/// Whether anything had to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as it should be.
    Unchanged,
    /// Something was made anew.
    Changed,
}

impl Outcome {
    /// Changed when either is.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Changed { self } else { other }
    }
}

/// An identity that was checked: what is in it is what the other side accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The authority's certificate in PEM.
    pub authority: Vec<u8>,
    /// The node's certificate in PEM.
    pub certificate: Vec<u8>,
    /// The node's key in PEM.
    pub key: Vec<u8>,
    /// The names in the certificate.
    pub names: Vec<String>,
    /// The addresses in the certificate.
    pub addresses: Vec<IpAddr>,
    /// When the certificate, or the authority's if that is sooner, is accepted no more.
    pub expires: SystemTime,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?}, {:?}, {:?}, …)", self.names, self.addresses, self.expires)
    }
}

/// How it stands with the renewal of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is time.
    NotDue,
    /// It has just been renewed.
    Done,
    /// It is due, and the authority's key is on another machine: an operator has to issue it there.
    DueElsewhere,
}

/// Reads an identity and checks it: all files there, the key its owner's alone, key and certificate one pair, issued by
/// the authority, for this node, as server and as client, and now.
///
/// # Errors
/// [`Error`] names the file, what is wrong with it, and the remedy.
pub fn read(directory: &Path, node: &NodeName, now: SystemTime) -> Result<Identity, Error> {
    Parts::read(directory)?.checked(node, now)
}

/// As [`read`], after renewing the certificate where that is due and the authority's key is here. A renewed certificate
/// has the old one's key and names, so that one file is replaced and nothing can be half done.
///
/// # Errors
/// As [`read`]; an expired certificate is one only where it cannot be renewed.
pub fn ensure(directory: &Path, node: &NodeName, now: SystemTime) -> Result<(Identity, Renewal), Error> {
    let parts = Parts::read(directory)?;
    let checked = parts.checked(node, now);
    let due = match &checked {
        Ok(identity) => identity.expires < now + RENEWAL,
        Err(Error::Expired { path, .. }) => *path == parts.certificate.path,
        Err(_) => false,
    };
    if !due {
        return checked.map(|identity| (identity, Renewal::NotDue));
    }
    if !directory.join(AUTHORITY_KEY).exists() {
        return checked.map(|identity| (identity, Renewal::DueElsewhere));
    }
    let subject = Subject {
        node: node.clone(),
        names: parts.certificate.names.clone(),
        addresses: parts.certificate.addresses.clone(),
    };
    match authority::issue(directory, &subject, directory, now)? {
        Outcome::Changed => read(directory, node, now).map(|identity| (identity, Renewal::Done)),
        // The authority itself ends then: a new certificate would not live longer.
        Outcome::Unchanged => checked.map(|identity| (identity, Renewal::NotDue)),
    }
}

/// The files of an identity, each as it should be, and not yet compared with each other.
struct Parts {
    authority: Certificate,
    certificate: Certificate,
    key_path: PathBuf,
    key: Vec<u8>,
}

impl Parts {
    fn read(directory: &Path) -> Result<Self, Error> {
        let key_path = directory.join(KEY);
        Ok(Self {
            authority: Certificate::read(&directory.join(AUTHORITY_CERTIFICATE))?,
            certificate: Certificate::read(&directory.join(CERTIFICATE))?,
            key: file::read_key(&key_path)?,
            key_path,
        })
    }

    fn checked(&self, node: &NodeName, now: SystemTime) -> Result<Identity, Error> {
        self.certificate.check_key(&self.key_path, &self.key)?;
        self.authority.check_time(now)?;
        self.certificate.check_issued(&self.authority, node, now)?;
        Ok(Identity {
            authority: self.authority.pem.clone(),
            certificate: self.certificate.pem.clone(),
            key: self.key.clone(),
            names: self.certificate.names.clone(),
            addresses: self.certificate.addresses.clone(),
            expires: self.certificate.ends().min(self.authority.ends()),
        })
    }
}

#[cfg(test)]
mod tests;
