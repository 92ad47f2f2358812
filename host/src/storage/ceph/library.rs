//! The functions of librados and librbd that PVC calls, found when they are first needed.
//!
//! The libraries are loaded and not linked, so that the daemons start on machines without Ceph. Their C interfaces are
//! stable: `librados.so.2` and `librbd.so.1` have been the names since 2012, and nothing newer than Ceph 15 is asked
//! for. Once loaded they stay: their threads may run until the process ends.

use std::sync::OnceLock;

use libc::{c_char, c_int, c_void};

/// Something of librados's or librbd's: a cluster, a pool, an image.
pub(super) type Handle = *mut c_void;

/// What an image looks like: `rbd_image_info_t`.
#[repr(C)]
pub(super) struct ImageStat {
    pub(super) size: u64,
    pub(super) object_size: u64,
    pub(super) object_count: u64,
    pub(super) order: c_int,
    pub(super) prefix: [c_char; 24],
    pub(super) parent_pool: i64,
    pub(super) parent_name: [c_char; 96],
}

/// `rbd_image_spec_t`.
#[repr(C)]
pub(super) struct ImageName {
    pub(super) id: *mut c_char,
    pub(super) name: *mut c_char,
}

/// `rbd_linked_image_spec_t`.
#[repr(C)]
pub(super) struct LinkedImage {
    pub(super) pool_id: i64,
    pub(super) pool_name: *mut c_char,
    pub(super) pool_namespace: *mut c_char,
    pub(super) image_id: *mut c_char,
    pub(super) image_name: *mut c_char,
    pub(super) trash: u8,
}

/// `rbd_snap_spec_t`.
#[repr(C)]
pub(super) struct LinkedSnapshot {
    pub(super) id: u64,
    pub(super) namespace: c_int,
    pub(super) name: *mut c_char,
}

/// `rbd_snap_info_t`.
#[repr(C)]
pub(super) struct SnapshotStat {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) name: *const c_char,
}

/// `rbd_image_watcher_t`.
#[repr(C)]
pub(super) struct Watcher {
    pub(super) address: *mut c_char,
    pub(super) id: i64,
    pub(super) cookie: u64,
}

/// A command, to a monitor or an OSD: words, their count, input, its length, and where output and errors go.
type Command = unsafe extern "C" fn(
    Handle,
    *const *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;

type OsdCommand = unsafe extern "C" fn(
    Handle,
    c_int,
    *const *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;

/// A command to the monitor of a name.
type NamedCommand = unsafe extern "C" fn(
    Handle,
    *const c_char,
    *const *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;

type Text = *const c_char;
type Progress = Option<unsafe extern "C" fn(u64, u64, *mut c_void) -> c_int>;

macro_rules! library {
    ($table:ident in $file:literal { $($name:ident: $type:ty,)* }) => {
        /// The functions of one library.
        #[derive(Debug)]
        pub(super) struct $table {
            $(pub(super) $name: $type,)*
        }

        impl $table {
            #[expect(unsafe_code, reason = "a library is loaded, and its functions are taken at their word")]
            fn load() -> Result<Self, libloading::Error> {
                // SAFETY: the initialisers of this library register its own plug-ins and nothing else.
                let library = unsafe { libloading::Library::new($file) }?;
                let table = Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0").as_bytes();
                        // SAFETY: the type is that of the declaration in the library's own header.
                        *unsafe { library.get::<$type>(name) }?
                    },)*
                };
                std::mem::forget(library);
                Ok(table)
            }
        }
    };
}

library!(Rados in "librados.so.2" {
    rados_create2: unsafe extern "C" fn(*mut Handle, Text, Text, u64) -> c_int,
    rados_conf_read_file: unsafe extern "C" fn(Handle, Text) -> c_int,
    rados_conf_set: unsafe extern "C" fn(Handle, Text, Text) -> c_int,
    rados_conf_get: unsafe extern "C" fn(Handle, Text, *mut c_char, usize) -> c_int,
    rados_getaddrs: unsafe extern "C" fn(Handle, *mut *mut c_char) -> c_int,
    rados_connect: unsafe extern "C" fn(Handle) -> c_int,
    rados_shutdown: unsafe extern "C" fn(Handle),
    rados_mon_command: Command,
    rados_mon_command_target: NamedCommand,
    rados_osd_command: OsdCommand,
    rados_buffer_free: unsafe extern "C" fn(*mut c_char),
    rados_wait_for_latest_osdmap: unsafe extern "C" fn(Handle) -> c_int,
    rados_ioctx_create: unsafe extern "C" fn(Handle, Text, *mut Handle) -> c_int,
    rados_ioctx_destroy: unsafe extern "C" fn(Handle),
    rados_set_pool_full_try: unsafe extern "C" fn(Handle),
});

library!(Rbd in "librbd.so.1" {
    rbd_list2: unsafe extern "C" fn(Handle, *mut ImageName, *mut usize) -> c_int,
    rbd_image_spec_list_cleanup: unsafe extern "C" fn(*mut ImageName, usize),
    rbd_create3: unsafe extern "C" fn(Handle, Text, u64, u64, *mut c_int, u64, u64) -> c_int,
    rbd_remove: unsafe extern "C" fn(Handle, Text) -> c_int,
    rbd_rename: unsafe extern "C" fn(Handle, Text, Text) -> c_int,
    rbd_image_options_create: unsafe extern "C" fn(*mut Handle),
    rbd_image_options_set_uint64: unsafe extern "C" fn(Handle, c_int, u64) -> c_int,
    rbd_image_options_destroy: unsafe extern "C" fn(Handle),
    rbd_clone3: unsafe extern "C" fn(Handle, Text, Text, Handle, Text, Handle) -> c_int,
    rbd_open: unsafe extern "C" fn(Handle, Text, *mut Handle, Text) -> c_int,
    rbd_open_read_only: unsafe extern "C" fn(Handle, Text, *mut Handle, Text) -> c_int,
    rbd_close: unsafe extern "C" fn(Handle) -> c_int,
    rbd_stat: unsafe extern "C" fn(Handle, *mut ImageStat, usize) -> c_int,
    rbd_get_features: unsafe extern "C" fn(Handle, *mut u64) -> c_int,
    rbd_get_id: unsafe extern "C" fn(Handle, *mut c_char, usize) -> c_int,
    rbd_get_parent: unsafe extern "C" fn(Handle, *mut LinkedImage, *mut LinkedSnapshot) -> c_int,
    rbd_linked_image_spec_cleanup: unsafe extern "C" fn(*mut LinkedImage),
    rbd_snap_spec_cleanup: unsafe extern "C" fn(*mut LinkedSnapshot),
    rbd_list_children3: unsafe extern "C" fn(Handle, *mut LinkedImage, *mut usize) -> c_int,
    rbd_linked_image_spec_list_cleanup: unsafe extern "C" fn(*mut LinkedImage, usize),
    rbd_resize2: unsafe extern "C" fn(Handle, u64, bool, Progress, *mut c_void) -> c_int,
    rbd_snap_list: unsafe extern "C" fn(Handle, *mut SnapshotStat, *mut c_int) -> c_int,
    rbd_snap_list_end: unsafe extern "C" fn(*mut SnapshotStat),
    rbd_snap_get_namespace_type: unsafe extern "C" fn(Handle, u64, *mut c_int) -> c_int,
    rbd_snap_create: unsafe extern "C" fn(Handle, Text) -> c_int,
    rbd_snap_remove: unsafe extern "C" fn(Handle, Text) -> c_int,
    rbd_snap_rename: unsafe extern "C" fn(Handle, Text, Text) -> c_int,
    rbd_snap_rollback: unsafe extern "C" fn(Handle, Text) -> c_int,
    rbd_watchers_list: unsafe extern "C" fn(Handle, *mut Watcher, *mut usize) -> c_int,
    rbd_watchers_list_cleanup: unsafe extern "C" fn(*mut Watcher, usize),
    rbd_list_lockers: unsafe extern "C" fn(
        Handle,
        *mut c_int,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
    ) -> isize,
    rbd_break_lock: unsafe extern "C" fn(Handle, Text, Text) -> c_int,
    rbd_read2: unsafe extern "C" fn(Handle, u64, usize, *mut c_char, c_int) -> isize,
    rbd_write2: unsafe extern "C" fn(Handle, u64, usize, *const c_char, c_int) -> isize,
    rbd_flush: unsafe extern "C" fn(Handle) -> c_int,
});

/// Both libraries.
#[derive(Debug)]
pub(super) struct Libraries {
    pub(super) rados: Rados,
    pub(super) rbd: Rbd,
}

/// The libraries, loaded at the first call. The error says what is missing, and stays: a package that is installed
/// later is found by the next start of the daemon.
pub(super) fn libraries() -> Result<&'static Libraries, &'static str> {
    static LIBRARIES: OnceLock<Result<Libraries, String>> = OnceLock::new();
    let load = || {
        let rados = Rados::load().map_err(|error| error.to_string())?;
        let rbd = Rbd::load().map_err(|error| error.to_string())?;
        Ok(Libraries { rados, rbd })
    };
    LIBRARIES.get_or_init(load).as_ref().map_err(String::as_str)
}
