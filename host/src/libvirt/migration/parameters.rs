//! The parameters of a move, and the call that takes them: the binding's own leaks every text that it is given.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

/// A list of libvirt's, which libvirt frees.
#[derive(Debug)]
pub(super) struct Parameters {
    list: sys::virTypedParameterPtr,
    count: c_int,
    capacity: c_int,
}

impl Parameters {
    pub(super) fn new() -> Self {
        Self { list: ptr::null_mut(), count: 0, capacity: 0 }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// libvirt's own: no memory is left.
    ///
    /// # Panics
    /// If the text has a zero in it, which no document and no address has.
    #[expect(unsafe_code, reason = "libvirt's lists are made by libvirt")]
    pub(super) fn text(&mut self, name: &CStr, value: &str) -> Result<(), Error> {
        let value = CString::new(value).expect("no document and no address has a zero in it");
        // SAFETY: the three fields are a list of libvirt's; the name and the value live until it returns, and are copied.
        let added = unsafe {
            sys::virTypedParamsAddString(
                &mut self.list,
                &mut self.count,
                &mut self.capacity,
                name.as_ptr(),
                value.as_ptr(),
            )
        };
        if added < 0 { Err(Error::last_error()) } else { Ok(()) }
    }

    /// Adds a number.
    ///
    /// # Errors
    /// libvirt's own: no memory is left.
    #[expect(unsafe_code, reason = "libvirt's lists are made by libvirt")]
    pub(super) fn number(&mut self, name: &CStr, value: u64) -> Result<(), Error> {
        // SAFETY: as above.
        let added = unsafe {
            sys::virTypedParamsAddULLong(
                &mut self.list,
                &mut self.count,
                &mut self.capacity,
                name.as_ptr(),
                value,
            )
        };
        if added < 0 { Err(Error::last_error()) } else { Ok(()) }
    }

    /// Moves a domain, and returns when that is over.
    ///
    /// # Errors
    /// libvirt's own.
    ///
    /// # Panics
    /// If the address has a zero in it.
    #[expect(unsafe_code, reason = "the binding's own call takes only its own list")]
    pub(super) fn migrate(&self, domain: &Domain, to: &str, flags: u32) -> Result<(), Error> {
        let to = CString::new(to).expect("no address has a zero in it");
        let count = u32::try_from(self.count).unwrap_or_default();
        // SAFETY: the domain lives; the address and the list live until it returns, and libvirt only reads them.
        let moved =
            unsafe { sys::virDomainMigrateToURI3(domain.as_ptr(), to.as_ptr(), self.list, count, flags) };
        if moved < 0 { Err(Error::last_error()) } else { Ok(()) }
    }
}

impl Drop for Parameters {
    #[expect(unsafe_code, reason = "libvirt's lists are freed by libvirt")]
    fn drop(&mut self) {
        // SAFETY: the list is libvirt's, with this length, and nothing refers to it any more. It may be null.
        unsafe { sys::virTypedParamsFree(self.list, self.count) };
    }
}
