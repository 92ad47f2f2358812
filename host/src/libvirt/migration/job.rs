//! What libvirt says of a guest's job: the binding's own reader frees what it must not, and aborts where there is none.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::ptr;

use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

use crate::migration::Progress;

const MIB: u64 = 1 << 20;

/// What a guest is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Nothing that can be told.
    None,
    /// It is being sent away.
    Out(Progress),
    /// It is being received.
    In,
    /// Something else: a snapshot, a dump, a backup.
    Other,
}

impl Job {
    /// What this domain is busy with.
    ///
    /// # Errors
    /// libvirt's own.
    pub(super) fn of(domain: &Domain) -> Result<Self, Error> {
        let (kind, fields) = match statistics(domain) {
            Ok(told) => told,
            // libvirt counts on the source alone: on the target it says that this is not the place.
            Err(error) if error.code() == ErrorNumber::OperationUnsupported => return Ok(Self::In),
            Err(error) => return Err(error),
        };
        if kind == sys::VIR_DOMAIN_JOB_NONE {
            return Ok(Self::None);
        }
        let field = |name: &CStr| fields.get(name.to_str().unwrap_or_default()).copied().unwrap_or_default();
        match u32::try_from(field(sys::VIR_DOMAIN_JOB_OPERATION)) {
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN) => Ok(Self::In),
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT) => Ok(Self::Out(Progress {
                elapsed_ms: field(sys::VIR_DOMAIN_JOB_TIME_ELAPSED),
                memory_total_mib: field(sys::VIR_DOMAIN_JOB_MEMORY_TOTAL) / MIB,
                memory_remaining_mib: field(sys::VIR_DOMAIN_JOB_MEMORY_REMAINING) / MIB,
                memory_sent_mib: field(sys::VIR_DOMAIN_JOB_MEMORY_PROCESSED) / MIB,
                pass: field(sys::VIR_DOMAIN_JOB_MEMORY_ITERATION),
                throttle_percent: field(sys::VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE),
            })),
            _ => Ok(Self::Other),
        }
    }
}

/// The kind of the job and its counters by name.
#[expect(unsafe_code, reason = "the binding's reader is unsound")]
fn statistics(domain: &Domain) -> Result<(sys::virDomainJobType, BTreeMap<String, u64>), Error> {
    let (mut kind, mut count): (c_int, c_int) = (0, 0);
    let mut parameters: sys::virTypedParameterPtr = ptr::null_mut();
    // SAFETY: the domain lives, and the three places are ours for libvirt to write to.
    let told =
        unsafe { sys::virDomainGetJobStats(domain.as_ptr(), &mut kind, &mut parameters, &mut count, 0) };
    if told < 0 {
        return Err(Error::last_error());
    }
    let mut fields = BTreeMap::new();
    if !parameters.is_null() {
        let count_read = usize::try_from(count).unwrap_or_default();
        // SAFETY: libvirt gave an array of this length, which is not freed until below.
        let read = unsafe { std::slice::from_raw_parts(parameters, count_read) };
        for parameter in read {
            // SAFETY: libvirt ends every name with a zero.
            let name = unsafe { CStr::from_ptr(parameter.field.as_ptr()) };
            if let Some(value) = number(parameter) {
                fields.insert(name.to_string_lossy().into_owned(), value);
            }
        }
        // SAFETY: the array and its length as libvirt gave them; nothing refers to it any more.
        unsafe { sys::virTypedParamsFree(parameters, count) };
    }
    Ok((sys::virDomainJobType::try_from(kind).unwrap_or(sys::VIR_DOMAIN_JOB_NONE), fields))
}

/// A parameter that is a number, and not negative.
#[expect(unsafe_code, reason = "libvirt's parameters are unions")]
fn number(parameter: &sys::virTypedParameter) -> Option<u64> {
    let kind = u32::try_from(parameter.type_).ok()?;
    // SAFETY: the kind says which member of the union was written.
    unsafe {
        match kind {
            sys::VIR_TYPED_PARAM_INT => u64::try_from(parameter.value.i).ok(),
            sys::VIR_TYPED_PARAM_UINT => Some(u64::from(parameter.value.ui)),
            sys::VIR_TYPED_PARAM_LLONG => u64::try_from(parameter.value.l).ok(),
            sys::VIR_TYPED_PARAM_ULLONG => Some(parameter.value.ul),
            _ => None,
        }
    }
}

/// Asks for the end of the job.
///
/// # Errors
/// libvirt's own.
#[expect(unsafe_code, reason = "one function for all the calls that answer zero or less")]
pub(super) fn abort(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain lives.
    answer(unsafe { sys::virDomainAbortJob(domain.as_ptr()) })
}

/// Asks for the switch to post-copy.
///
/// # Errors
/// libvirt's own.
#[expect(unsafe_code, reason = "the binding does not have it")]
pub(super) fn start_post_copy(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain lives.
    answer(unsafe { sys::virDomainMigrateStartPostCopy(domain.as_ptr(), 0) })
}

fn answer(told: c_int) -> Result<(), Error> {
    if told < 0 { Err(Error::last_error()) } else { Ok(()) }
}
