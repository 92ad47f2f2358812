//! A certificate as it was read, checked by the code that the links between nodes check it with.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logic::id::NodeName;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::{Error, file};

/// One certificate.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) path: PathBuf,
    pub(super) pem: Vec<u8>,
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    der: CertificateDer<'static>,
    begins: ASN1Time,
    ends: ASN1Time,
}

impl Certificate {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(path, file::read(path)?)
    }

    pub(super) fn parse(path: &Path, pem: Vec<u8>) -> Result<Self, Error> {
        let malformed = |why: String| Error::Malformed { path: path.into(), what: "certificate", why };
        let der = CertificateDer::from_pem_slice(&pem).map_err(|error| malformed(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| malformed(error.to_string()))?;
        let (names, addresses) = names(&parsed);
        let validity = parsed.validity().clone();
        Ok(Self {
            path: path.into(),
            names,
            addresses,
            begins: validity.not_before,
            ends: validity.not_after,
            der,
            pem,
        })
    }

    /// The first moment at which it is accepted no more.
    pub(super) fn ends(&self) -> SystemTime {
        let since = u64::try_from(self.ends.timestamp()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since)
    }

    pub(super) fn check_key(&self, path: &Path, pem: &[u8]) -> Result<(), Error> {
        let malformed = |why: String| Error::Malformed { path: path.into(), what: "private key", why };
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| malformed(error.to_string()))?;
        match CertifiedKey::from_der(vec![self.der.clone()], key, &provider()) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Error::Mismatched { certificate: self.path.clone(), key: path.into() })
            }
            Err(error) => Err(malformed(error.to_string())),
        }
    }

    /// That its time has come and is not over. The verifiers do not look at an authority's.
    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), Error> {
        let now = i64::try_from(since_epoch(now).as_secs()).unwrap_or(i64::MAX);
        if now < self.begins.timestamp() {
            return Err(Error::Early { path: self.path.clone(), begins: self.begins.to_string() });
        }
        if now > self.ends.timestamp() {
            return Err(Error::Expired { path: self.path.clone(), expired: self.ends.to_string() });
        }
        Ok(())
    }

    /// That the other side will accept it, whichever side that is.
    pub(super) fn check_issued(
        &self,
        authority: &Self,
        node: &NodeName,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.check_time(now)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).map_err(|error| authority.unusable(&error))?;
        let (roots, now) = (Arc::new(roots), UnixTime::since_unix_epoch(since_epoch(now)));
        let name = ServerName::try_from(node.as_str().to_owned())
            .map_err(|_| Error::BadName { name: node.to_string() })?;
        let unbuilt = |error: &dyn std::error::Error| authority.unusable(error);
        let client = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider()).build();
        let client = client.map_err(|error| unbuilt(&error))?;
        let server = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
        let server = server.map_err(|error| unbuilt(&error))?;
        let as_client = client.verify_client_cert(&self.der, &[], now).map(drop);
        let as_server = server.verify_server_cert(&self.der, &[], &name, &[], now).map(drop);
        as_client.and(as_server).map_err(|error| self.refused(&error, authority, node))
    }

    fn refused(&self, error: &rustls::Error, authority: &Self, node: &NodeName) -> Error {
        match error {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Error::Misnamed {
                path: self.path.clone(),
                names: if self.names.is_empty() { "nobody".into() } else { self.names.join(", ") },
                node: node.clone(),
            },
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Error::Stranger { certificate: self.path.clone(), authority: authority.path.clone() },
            other => self.unusable(other),
        }
    }

    fn unusable(&self, error: &dyn std::error::Error) -> Error {
        Error::Unusable { path: self.path.clone(), why: error.to_string() }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => addresses.extend(address(octets)),
            _ => {}
        }
    }
    (names, addresses)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
