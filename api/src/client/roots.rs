//! The root certificates that this machine trusts, as its administrator has set them up.

use std::fs;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::Error;

/// Where the systems that we know keep them, Debian first.
const FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The file that `SSL_CERT_FILE` names, else the first of the usual ones that is there.
pub(super) fn system() -> Result<RootCerts, Error> {
    let named = std::env::var("SSL_CERT_FILE").ok().filter(|path| !path.is_empty());
    let usual =
        || FILES.iter().find(|path| fs::exists(path).unwrap_or_default()).copied().unwrap_or(FILES[0]).into();
    let path: String = named.unwrap_or_else(usual);
    let pem = fs::read(&path).map_err(|source| Error::Certificates { path, source })?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(RootCerts::from(certificates.collect::<Vec<Certificate<'static>>>()))
}
