//! Makes librados safe: one connection to a cluster, its commands, and its pools.

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::Arc;

use libc::{c_char, c_int};
use serde_json::Value;

use super::library::{Handle, Libraries};

/// How long a setting may be: lists of files and addresses are long.
const SETTING_BYTES_MAX: usize = 16 << 10;

/// Why Ceph did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The error number, as in `errno.h`.
    pub(super) code: i32,
    /// What it says about it; empty where it says nothing.
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(code: i32, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }

    /// Its words, or those of its number.
    pub(super) fn text(&self) -> String {
        match self.words.trim() {
            "" => std::io::Error::from_raw_os_error(self.code).to_string(),
            words => words.to_owned(),
        }
    }
}

/// What a call of these libraries returned: a count, or an error number below zero.
pub(super) fn checked(code: c_int) -> Result<c_int, Failure> {
    if code < 0 { Err(Failure::new(-code, "")) } else { Ok(code) }
}

/// A text for C. The names of the domain and the commands that are made of them contain no zero byte.
pub(super) fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::from(c"?"))
}

/// One connection to a cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) libraries: &'static Libraries,
    handle: Handle,
}

#[expect(unsafe_code, reason = "librados is thread-safe, and says so")]
// SAFETY: a connection of librados may be used by every thread at once, and closed by any.
unsafe impl Send for Cluster {}
#[expect(unsafe_code, reason = "librados is thread-safe, and says so")]
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Drop for Cluster {
    #[expect(unsafe_code, reason = "a function of librados's")]
    fn drop(&mut self) {
        // SAFETY: whatever was made of the connection holds it, so this is the last use of it. It is also how a
        // connection that was never made is freed.
        unsafe { (self.libraries.rados.rados_shutdown)(self.handle) }
    }
}

impl Cluster {
    /// Connects as this user, with these settings on top of those in the file.
    #[expect(unsafe_code, reason = "functions of librados's")]
    pub(super) fn connect(
        libraries: &'static Libraries,
        user: &str,
        file: &str,
        settings: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let rados = &libraries.rados;
        let mut handle = ptr::null_mut();
        let (name, user, file) = (text("ceph"), text(user), text(file));
        // SAFETY: both texts end with zero and are copied; the handle is written before it is read.
        checked(unsafe { (rados.rados_create2)(&raw mut handle, name.as_ptr(), user.as_ptr(), 0) })?;
        let cluster = Self { libraries, handle };
        // SAFETY: the handle is fresh, the text ends with zero and is copied.
        checked(unsafe { (rados.rados_conf_read_file)(handle, file.as_ptr()) }).map_err(|failure| {
            Failure::new(failure.code, format!("its settings cannot be read: {}", failure.text()))
        })?;
        for (key, value) in settings {
            let (name, value) = (text(key), text(value));
            // SAFETY: as above.
            checked(unsafe { (rados.rados_conf_set)(handle, name.as_ptr(), value.as_ptr()) }).map_err(
                |failure| Failure::new(failure.code, format!("it does not take {key}: {}", failure.text())),
            )?;
        }
        // SAFETY: the handle is set up and not connected yet.
        checked(unsafe { (rados.rados_connect)(handle) })?;
        Ok(cluster)
    }

    /// How a setting of this connection is; empty where it is not set.
    #[expect(unsafe_code, reason = "a function of librados's")]
    pub(super) fn setting(&self, key: &str) -> Result<String, Failure> {
        let (key, mut value) = (text(key), vec![0_u8; SETTING_BYTES_MAX]);
        // SAFETY: the text ends with zero, and no more is written than there is room for.
        checked(unsafe {
            let room = value.as_mut_ptr().cast::<c_char>();
            (self.libraries.rados.rados_conf_get)(self.handle, key.as_ptr(), room, value.len())
        })?;
        value.truncate(value.iter().position(|byte| *byte == 0).unwrap_or(value.len()));
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// The address that this connection is seen at.
    #[expect(unsafe_code, reason = "functions of librados's")]
    pub(super) fn own_address(&self) -> Result<String, Failure> {
        let mut address = ptr::null_mut();
        // SAFETY: the connection is open, and the text is written before it is read.
        checked(unsafe { (self.libraries.rados.rados_getaddrs)(self.handle, &raw mut address) })?;
        if address.is_null() {
            return Ok(String::new());
        }
        // SAFETY: librados gave a text that ends with zero; it is ours until it is freed below.
        let copy = unsafe { CStr::from_ptr(address) }.to_string_lossy().into_owned();
        // SAFETY: it was given by librados and is not used any more.
        unsafe { (self.libraries.rados.rados_buffer_free)(address) };
        Ok(copy)
    }

    /// Asks a monitor, which passes on what is the manager's. The answer is as Ceph gives it.
    #[expect(unsafe_code, reason = "a function of librados's")]
    pub(super) fn ask_monitor(&self, command: &Value) -> Result<Vec<u8>, Failure> {
        self.ask(command, |words, count, answer| {
            // SAFETY: the words live until the call returns, there is no input, and the answer is written there.
            unsafe {
                (self.libraries.rados.rados_mon_command)(
                    self.handle,
                    words,
                    count,
                    ptr::null(),
                    0,
                    &raw mut answer.output,
                    &raw mut answer.output_length,
                    &raw mut answer.errors,
                    &raw mut answer.errors_length,
                )
            }
        })
    }

    /// Asks the monitor of this name, about itself.
    #[expect(unsafe_code, reason = "a function of librados's")]
    pub(super) fn ask_monitor_named(&self, name: &str, command: &Value) -> Result<Vec<u8>, Failure> {
        let name = text(name);
        self.ask(command, |words, count, answer| {
            // SAFETY: as with any monitor; the name ends with zero and lives until the call returns.
            unsafe {
                (self.libraries.rados.rados_mon_command_target)(
                    self.handle,
                    name.as_ptr(),
                    words,
                    count,
                    ptr::null(),
                    0,
                    &raw mut answer.output,
                    &raw mut answer.output_length,
                    &raw mut answer.errors,
                    &raw mut answer.errors_length,
                )
            }
        })
    }

    /// Asks one OSD.
    #[expect(unsafe_code, reason = "a function of librados's")]
    pub(super) fn ask_osd(&self, osd: i32, command: &Value) -> Result<Vec<u8>, Failure> {
        self.ask(command, |words, count, answer| {
            // SAFETY: as with the monitor.
            unsafe {
                (self.libraries.rados.rados_osd_command)(
                    self.handle,
                    osd,
                    words,
                    count,
                    ptr::null(),
                    0,
                    &raw mut answer.output,
                    &raw mut answer.output_length,
                    &raw mut answer.errors,
                    &raw mut answer.errors_length,
                )
            }
        })
    }

    fn ask(
        &self,
        command: &Value,
        call: impl FnOnce(*const *const c_char, usize, &mut Answer) -> c_int,
    ) -> Result<Vec<u8>, Failure> {
        let command = text(&command.to_string());
        let words = [command.as_ptr()];
        let mut answer = Answer::default();
        let code = call(words.as_ptr(), words.len(), &mut answer);
        let output = self.taken(answer.output, answer.output_length);
        let errors = self.taken(answer.errors, answer.errors_length);
        match code {
            0.. => Ok(output),
            _ => Err(Failure::new(-code, String::from_utf8_lossy(&errors))),
        }
    }

    /// Copies what librados answered, which is not ended by a zero, and gives it back to librados.
    #[expect(unsafe_code, reason = "a buffer of librados's")]
    fn taken(&self, buffer: *mut c_char, length: usize) -> Vec<u8> {
        if buffer.is_null() {
            return Vec::new();
        }
        // SAFETY: librados gave this buffer and this length, and it is ours until it is freed below.
        let copy = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) }.to_vec();
        // SAFETY: it was given by librados and is not used any more.
        unsafe { (self.libraries.rados.rados_buffer_free)(buffer) };
        copy
    }

    /// Waits until this connection knows the newest map: what it does from then on is done by that map.
    #[expect(unsafe_code, reason = "a function of librados's")]
    pub(super) fn catch_up(&self) -> Result<(), Failure> {
        // SAFETY: the connection is open.
        checked(unsafe { (self.libraries.rados.rados_wait_for_latest_osdmap)(self.handle) }).map(drop)
    }

    /// Opens a pool. Where it is full, changes of it fail instead of waiting for room.
    #[expect(unsafe_code, reason = "functions of librados's")]
    pub(super) fn pool(self: &Arc<Self>, name: &str) -> Result<Arc<PoolHandle>, Failure> {
        let rados = &self.libraries.rados;
        let name = text(name);
        let mut handle = ptr::null_mut();
        // SAFETY: the connection is open, the text ends with zero, and the handle is written before it is read.
        checked(unsafe { (rados.rados_ioctx_create)(self.handle, name.as_ptr(), &raw mut handle) })?;
        // SAFETY: the pool was opened just now.
        unsafe { (rados.rados_set_pool_full_try)(handle) };
        Ok(Arc::new(PoolHandle { cluster: Arc::clone(self), handle }))
    }
}

/// What a command is answered.
struct Answer {
    output: *mut c_char,
    output_length: usize,
    errors: *mut c_char,
    errors_length: usize,
}

impl Default for Answer {
    fn default() -> Self {
        Self { output: ptr::null_mut(), output_length: 0, errors: ptr::null_mut(), errors_length: 0 }
    }
}

/// An open pool.
#[derive(Debug)]
pub(super) struct PoolHandle {
    pub(super) cluster: Arc<Cluster>,
    handle: Handle,
}

#[expect(unsafe_code, reason = "librados is thread-safe, and says so")]
// SAFETY: an open pool may be used by every thread at once; its one setting was made before it was shared.
unsafe impl Send for PoolHandle {}
#[expect(unsafe_code, reason = "librados is thread-safe, and says so")]
// SAFETY: as above.
unsafe impl Sync for PoolHandle {}

impl Drop for PoolHandle {
    #[expect(unsafe_code, reason = "a function of librados's")]
    fn drop(&mut self) {
        // SAFETY: whatever was made of the pool holds it, so this is the last use of it.
        unsafe { (self.cluster.libraries.rados.rados_ioctx_destroy)(self.handle) }
    }
}

impl PoolHandle {
    pub(super) fn handle(&self) -> Handle {
        self.handle
    }
}
