//! libvirt's events: one thread runs its event loop, and every event only wakes.

use std::sync::{Arc, Mutex, Once, Weak};

use libc::{c_int, c_void};
use virt::connect::Connect;
use virt::error::Error;
use virt_sys as sys;

use super::connection::Keeper;
use crate::hypervisor::Waker;

/// Those who want to be woken.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<Vec<Arc<dyn Waker>>>);

impl Bells {
    pub(super) fn add(&self, waker: Arc<dyn Waker>) {
        self.0.lock().expect("the list is only read and pushed to").push(waker);
    }

    /// Wakes all, without the lock: one that is woken may look at once.
    pub(super) fn ring(&self) {
        let wakers = self.0.lock().expect("the list is only read and pushed to").clone();
        wakers.iter().for_each(|waker| waker.wake());
    }
}

/// What a callback is given: whom to tell, and of which connection.
#[derive(Debug)]
struct Opaque {
    keeper: Weak<Keeper>,
    number: u64,
}

/// Starts libvirt's event loop, which must be there before the first connection. Its thread lives as long as the
/// process. libvirt's habit of printing every error is ended too: they reach the caller as values.
#[expect(unsafe_code, reason = "the binding does not run the event loop")]
pub(super) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        virt::error::clear_error_callback();
        // SAFETY: called once, before any connection is opened, as libvirt asks.
        let registered = unsafe { sys::virEventRegisterDefaultImpl() };
        assert_eq!(registered, 0, "libvirt's own event loop can be registered once in a process");
        let run = || {
            loop {
                // SAFETY: the default implementation was registered above, and only this thread runs it.
                if unsafe { sys::virEventRunDefaultImpl() } < 0 {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
        };
        let started = std::thread::Builder::new().name("libvirt-events".into()).spawn(run);
        started.expect("a process that starts has threads left");
    });
}

/// A connection's subscription to the guests' lifecycles and to its own end. Both must be ended before the connection
/// is closed: they hold references to it.
#[derive(Debug)]
pub(super) struct Subscription {
    lifecycle: c_int,
}

impl Subscription {
    /// Subscribes. On failure what was begun is ended again.
    #[expect(unsafe_code, reason = "the binding has no domain events")]
    pub(super) fn begin(connect: &Connect, keeper: &Weak<Keeper>, number: u64) -> Result<Self, Error> {
        let opaque = || Box::into_raw(Box::new(Opaque { keeper: keeper.clone(), number })).cast::<c_void>();
        let event = c_int::try_from(sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE).expect("a small constant");
        type Lifecycle =
            unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
        type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
        // SAFETY: libvirt takes every kind of callback as the generic one, and calls this kind with the arguments of
        // `Lifecycle`.
        let callback = unsafe { std::mem::transmute::<Lifecycle, Generic>(on_lifecycle) };
        let data = opaque();
        // SAFETY: the connection is open; the callback and its data live until libvirt calls `free`.
        let lifecycle = unsafe {
            let no_domain = std::ptr::null_mut();
            let connect = connect.as_ptr();
            sys::virConnectDomainEventRegisterAny(connect, no_domain, event, Some(callback), data, Some(free))
        };
        if lifecycle < 0 {
            // SAFETY: libvirt took nothing, so that the data is still ours alone.
            unsafe { free(data) };
            return Err(Error::last_error());
        }
        let data = opaque();
        // SAFETY: as above.
        let registered = unsafe {
            sys::virConnectRegisterCloseCallback(connect.as_ptr(), Some(on_close), data, Some(free))
        };
        let subscription = Self { lifecycle };
        if registered < 0 {
            let error = Error::last_error();
            // SAFETY: as above.
            unsafe { free(data) };
            subscription.end(connect);
            return Err(error);
        }
        Ok(subscription)
    }

    /// Ends the subscription. It asks libvirt, and so may hang. A connection that is closed has ended it already.
    #[expect(unsafe_code, reason = "the binding has no domain events")]
    pub(super) fn end(&self, connect: &Connect) {
        // SAFETY: the connection is not freed yet, and the number is one that it gave.
        unsafe {
            sys::virConnectUnregisterCloseCallback(connect.as_ptr(), Some(on_close));
            sys::virConnectDomainEventDeregisterAny(connect.as_ptr(), self.lifecycle);
        }
    }
}

#[expect(unsafe_code, reason = "a callback of libvirt's")]
unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    _: sys::virDomainPtr,
    _event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: `opaque` is the `Opaque` given at registration, which lives until `free`.
    let opaque = unsafe { &*opaque.cast::<Opaque>() };
    if let Some(keeper) = opaque.keeper.upgrade() {
        keeper.bells().ring();
    }
    0
}

#[expect(unsafe_code, reason = "a callback of libvirt's")]
unsafe extern "C" fn on_close(_: sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    // SAFETY: `opaque` is the `Opaque` given at registration, which lives until `free`.
    let opaque = unsafe { &*opaque.cast::<Opaque>() };
    if let Some(keeper) = opaque.keeper.upgrade() {
        tracing::debug!(reason, "libvirt's connection was closed");
        keeper.retire(opaque.number);
    }
}

#[expect(unsafe_code, reason = "a callback of libvirt's")]
unsafe extern "C" fn free(opaque: *mut c_void) {
    // SAFETY: this is called once per registration, after the last callback with this data.
    drop(unsafe { Box::from_raw(opaque.cast::<Opaque>()) });
}
