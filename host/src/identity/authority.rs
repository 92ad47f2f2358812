//! The cluster's authority: made once, and issuing a certificate for each node where its key is.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::certificate::Certificate;
use super::file::{self, Readers};
use super::{AUTHORITY_CERTIFICATE, AUTHORITY_KEY, CERTIFICATE, Error, KEY, Outcome, RENEWAL, Subject, read};

/// How long an authority lives: longer than the machines do, for replacing it means to visit every node.
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How long a node's certificate lives.
const NODE_LIFE: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// How far certificates are dated back, for nodes whose clocks are slow.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// Makes the cluster's authority in a folder, unless it is there. One that was begun and not completed is completed.
///
/// # Errors
/// [`Error::OtherAuthority`] when this node belongs to an authority that was made elsewhere; else what cannot be made
/// or written.
pub fn ensure(directory: &Path, now: SystemTime) -> Result<Outcome, Error> {
    file::make_folder(directory, 0o700)?;
    let (certificate_path, key_path) = (directory.join(AUTHORITY_CERTIFICATE), directory.join(AUTHORITY_KEY));
    match (certificate_path.exists(), key_path.exists()) {
        (true, true) => {
            let authority = Certificate::read(&certificate_path)?;
            authority.check_key(&key_path, &file::read_key(&key_path)?)?;
            authority.check_time(now)?;
            return Ok(Outcome::Unchanged);
        }
        (true, false) => return Err(Error::OtherAuthority { path: certificate_path }),
        (false, true) => {}
        (false, false) => {
            let key = KeyPair::generate().map_err(unmade("the authority's key"))?;
            file::write_first(&key_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
        }
    }
    let mut params = params("PVC cluster authority", now, now + AUTHORITY_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key(&key_path)?).map_err(unmade("the authority's certificate"))?;
    file::write(&certificate_path, certificate.pem().as_bytes(), Readers::All)
}

/// Issues an identity for a node into a folder: to be used there, or to be carried to the node. `authority` is the
/// folder with the authority's key. A key that is there is kept; a certificate that is there is kept as long as it has
/// these names and is not due for renewal.
///
/// # Errors
/// [`Error::NoAuthority`] where the authority's key is not; [`Error::OtherAuthority`] when the folder holds an identity
/// of another cluster; [`Error::BadName`]; else what cannot be made, read or written.
pub fn issue(authority: &Path, subject: &Subject, into: &Path, now: SystemTime) -> Result<Outcome, Error> {
    let authority_key = authority.join(AUTHORITY_KEY);
    if !authority_key.exists() {
        return Err(Error::NoAuthority { path: authority_key });
    }
    let root = Certificate::read(&authority.join(AUTHORITY_CERTIFICATE))?;
    root.check_key(&authority_key, &file::read_key(&authority_key)?)?;
    root.check_time(now)?;
    file::make_folder(into, 0o700)?;
    let copied = copy_authority(&root.pem, &into.join(AUTHORITY_CERTIFICATE))?;
    let ends = (now + NODE_LIFE).min(root.ends());
    let names = names(subject)?;
    if is_good(subject, &names, into, ends, now) {
        return Ok(copied);
    }
    let key_path = into.join(KEY);
    if !key_path.exists() {
        let key = KeyPair::generate().map_err(unmade("the node's key"))?;
        file::write_first(&key_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
    }
    let mut params = params(subject.node.as_str(), now, ends);
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    // Key encipherment is for GnuTLS, which libvirt and QEMU use: they refuse a certificate without it.
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let text = String::from_utf8_lossy(&root.pem);
    let issuer =
        Issuer::from_ca_cert_pem(&text, key(&authority_key)?).map_err(unmade("the node's certificate"))?;
    let certificate =
        params.signed_by(&key(&key_path)?, &issuer).map_err(unmade("the node's certificate"))?;
    Ok(copied.and(file::write(&into.join(CERTIFICATE), certificate.pem().as_bytes(), Readers::All)?))
}

fn copy_authority(pem: &[u8], path: &Path) -> Result<Outcome, Error> {
    match file::read(path) {
        Ok(there) if there != pem => Err(Error::OtherAuthority { path: path.into() }),
        Ok(_) => Ok(Outcome::Unchanged),
        Err(Error::Missing { .. }) => file::write(path, pem, Readers::All),
        Err(error) => Err(error),
    }
}

/// Whether the certificate that is there has these names, and a new one would not be better.
fn is_good(subject: &Subject, names: &[SanType], into: &Path, ends: SystemTime, now: SystemTime) -> bool {
    read(into, &subject.node, now).is_ok_and(|identity| {
        let there = identity.names.iter().filter_map(|name| dns_name(name).ok());
        let there: Vec<SanType> =
            there.chain(identity.addresses.iter().copied().map(SanType::IpAddress)).collect();
        let lasts = identity.expires >= now + RENEWAL || identity.expires + BACKDATED >= ends;
        there == names && lasts
    })
}

/// The names of a certificate: the node's own first, each once.
fn names(subject: &Subject) -> Result<Vec<SanType>, Error> {
    let mut names = Vec::new();
    for name in std::iter::once(subject.node.as_str()).chain(subject.names.iter().map(String::as_str)) {
        let name = dns_name(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for address in &subject.addresses {
        let address = SanType::IpAddress(*address);
        if !names.contains(&address) {
            names.push(address);
        }
    }
    Ok(names)
}

fn dns_name(name: &str) -> Result<SanType, Error> {
    let bad = || Error::BadName { name: name.into() };
    if name.parse::<IpAddr>().is_ok() || rustls::pki_types::DnsName::try_from(name).is_err() {
        return Err(bad());
    }
    name.to_ascii_lowercase().try_into().map(SanType::DnsName).map_err(|_| bad())
}

fn params(common_name: &str, now: SystemTime, ends: SystemTime) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "PVC");
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = OffsetDateTime::from(now - BACKDATED);
    params.not_after = OffsetDateTime::from(ends);
    // Made of the key unless it is given, and a renewed certificate has the same key.
    params.serial_number = Some(SerialNumber::from(uuid::Uuid::new_v4().as_bytes().to_vec()));
    params
}

fn key(path: &Path) -> Result<KeyPair, Error> {
    let malformed = |why: String| Error::Malformed { path: path.into(), what: "private key", why };
    let pem = String::from_utf8(file::read_key(path)?).map_err(|error| malformed(error.to_string()))?;
    KeyPair::from_pem(&pem).map_err(|error| malformed(error.to_string()))
}

fn unmade(what: &'static str) -> impl FnOnce(rcgen::Error) -> Error {
    move |source| Error::Unmade { what, source }
}
