//! The secret that QEMU opens volumes in Ceph with: private, so that libvirt gives it to no client, and kept by libvirt
//! over its own end.

use virt::error::ErrorNumber;
use virt::secret::Secret as Kept;
use virt_sys as sys;

use super::{Session, words};
use crate::hypervisor::{Error, Secret};

/// Brings the secret to libvirt, or its value where it is there. The value can be read by nobody, so it is always set.
pub(super) fn ensure(session: &Session<'_>, secret: &Secret) -> Result<(), Error> {
    let told = |error: &virt::error::Error| match session.connection.is_open() {
        true => Error::Secret { id: secret.id, why: words(error) },
        false => session.unreachable(error),
    };
    let kept = match Kept::lookup_by_uuid(session.connect(), secret.id) {
        Ok(kept) => kept,
        Err(error) if error.code() == ErrorNumber::NoSecret => {
            session.still_wanted()?;
            Kept::define_xml(session.connect(), &document(secret), 0).map_err(|error| told(&error))?
        }
        Err(error) => return Err(told(&error)),
    };
    if kept.get_usage_type().map_err(|error| told(&error))? != sys::VIR_SECRET_USAGE_TYPE_CEPH {
        let why = "a secret of this UUID is there for something else; undefine it with virsh secret-undefine";
        return Err(Error::Secret { id: secret.id, why: why.into() });
    }
    session.still_wanted()?;
    kept.set_value(&secret.value, 0).map_err(|error| told(&error))
}

/// Two secrets cannot be for the same: the purpose that libvirt is told names the UUID.
fn document(secret: &Secret) -> String {
    let Secret { id, purpose, .. } = secret;
    let purpose = purpose.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<secret ephemeral='no' private='yes'><uuid>{id}</uuid><usage type='ceph'><name>{purpose} {id}</name></usage></secret>"
    )
}
