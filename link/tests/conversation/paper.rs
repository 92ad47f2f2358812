//! Certificates for tests, good ones and bad ones.

use link::transport::Identity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use time::{Duration, OffsetDateTime};

/// One that issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
pub(crate) struct Paper {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A certificate's parameters: for this node as server and client, from yesterday until tomorrow.
pub(crate) fn params(node: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![node.to_owned()]).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = OffsetDateTime::now_utc() - Duration::DAY;
    params.not_after = OffsetDateTime::now_utc() + Duration::DAY;
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn paper(&self, params: &CertificateParams) -> Paper {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Paper { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn identity_of(&self, params: &CertificateParams) -> Identity {
        self.believing(self, params)
    }

    pub(crate) fn identity(&self, node: &str) -> Identity {
        self.identity_of(&params(node))
    }

    /// Issued by this authority to one who believes another.
    pub(crate) fn believing(&self, other: &Self, params: &CertificateParams) -> Identity {
        let paper = self.paper(params);
        Identity::from_pem(other.pem().as_bytes(), paper.certificate.as_bytes(), paper.key.as_bytes())
            .unwrap()
    }
}
