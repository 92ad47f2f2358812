//! Makes librbd safe: the images of a pool, and what can be done to one that is open.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use libc::{ERANGE, c_char, c_int};

use super::library::{Handle, ImageName, ImageStat, LinkedImage, LinkedSnapshot, Rbd, SnapshotStat, Watcher};
use super::rados::{Failure, PoolHandle, checked, text};

/// The features of a new image: layering, exclusive lock, object map, fast diff, deep flatten. What librbd itself
/// gives by default.
const FEATURES: u64 = 61;

/// The names of the features, by their bit.
const FEATURE_NAMES: [&str; 9] = [
    "layering",
    "striping",
    "exclusive-lock",
    "object-map",
    "fast-diff",
    "deep-flatten",
    "journaling",
    "data-pool",
    "operations",
];

const OPTION_FEATURES: c_int = 1;
const OPTION_CLONE_FORMAT: c_int = 12;

/// The format of clones in which the snapshot need not be protected. The default depends on a setting of the cluster.
const CLONE_FORMAT: u64 = 2;

/// A snapshot as librbd tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenSnapshot {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) size_bytes: u64,
}

/// Who holds a lock: holder, cookie, address.
pub(super) type Locker = (String, String, String);

impl PoolHandle {
    fn rbd(&self) -> &'static Rbd {
        &self.cluster.libraries.rbd
    }

    /// The names of its images.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn images(&self) -> Result<Vec<String>, Failure> {
        let empty = || ImageName { id: ptr::null_mut(), name: ptr::null_mut() };
        let mut found = with_room(empty, |images, count| {
            // SAFETY: there is room for as many images as the count says.
            unsafe { (self.rbd().rbd_list2)(self.handle(), images, count) }
        })?;
        let names = found.iter().map(|image| copied(image.name)).collect();
        // SAFETY: librbd wrote these, as many as there are, and they are not used any more.
        unsafe { (self.rbd().rbd_image_spec_list_cleanup)(found.as_mut_ptr(), found.len()) };
        Ok(names)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn create(&self, name: &str, size_bytes: u64) -> Result<(), Failure> {
        let name = text(name);
        let mut order = 0;
        // SAFETY: the text ends with zero and is copied; the order, zero for the default, is written back.
        let code = unsafe {
            (self.rbd().rbd_create3)(self.handle(), name.as_ptr(), size_bytes, FEATURES, &raw mut order, 0, 0)
        };
        checked(code).map(drop)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        let name = text(name);
        // SAFETY: the text ends with zero and is copied.
        checked(unsafe { (self.rbd().rbd_remove)(self.handle(), name.as_ptr()) }).map(drop)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Failure> {
        let (from, to) = (text(from), text(to));
        // SAFETY: both texts end with zero and are copied.
        checked(unsafe { (self.rbd().rbd_rename)(self.handle(), from.as_ptr(), to.as_ptr()) }).map(drop)
    }

    /// Makes a clone of a snapshot of one of its images, in another pool or in this one.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn clone_to(
        &self,
        image: &str,
        snapshot: &str,
        pool: &Self,
        name: &str,
    ) -> Result<(), Failure> {
        let (image, snapshot, name) = (text(image), text(snapshot), text(name));
        let rbd = self.rbd();
        let mut options = ptr::null_mut();
        // SAFETY: the options are written before they are read.
        unsafe { (rbd.rbd_image_options_create)(&raw mut options) };
        let mut outcome = Ok(0);
        for (option, value) in [(OPTION_FEATURES, FEATURES), (OPTION_CLONE_FORMAT, CLONE_FORMAT)] {
            // SAFETY: the options were made above and are not destroyed yet.
            let code = unsafe { (rbd.rbd_image_options_set_uint64)(options, option, value) };
            outcome = outcome.and_then(|_| checked(code));
        }
        let outcome = outcome.and_then(|_| {
            // SAFETY: all texts end with zero and are copied; both pools are open; the options are there.
            checked(unsafe {
                (rbd.rbd_clone3)(
                    self.handle(),
                    image.as_ptr(),
                    snapshot.as_ptr(),
                    pool.handle(),
                    name.as_ptr(),
                    options,
                )
            })
        });
        // SAFETY: the options are not used any more.
        unsafe { (rbd.rbd_image_options_destroy)(options) };
        outcome.map(drop)
    }

    /// Opens an image to look at it, as it is now or as a snapshot shows it. Nobody sees that it is open.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn look(self: &Arc<Self>, name: &str, snapshot: Option<&str>) -> Result<Image, Failure> {
        let (name, snapshot) = (text(name), snapshot.map(text));
        let snapshot = snapshot.as_ref().map_or(ptr::null(), |snapshot| snapshot.as_ptr());
        let mut handle = ptr::null_mut();
        // SAFETY: the texts end with zero and are copied, no snapshot is a null; the handle is written.
        checked(unsafe {
            (self.rbd().rbd_open_read_only)(self.handle(), name.as_ptr(), &raw mut handle, snapshot)
        })?;
        Ok(Image { pool: Arc::clone(self), handle })
    }

    /// Opens an image to change it. Others see that it is open.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn open(self: &Arc<Self>, name: &str) -> Result<Image, Failure> {
        let name = text(name);
        let mut handle = ptr::null_mut();
        // SAFETY: as above.
        checked(unsafe {
            (self.rbd().rbd_open)(self.handle(), name.as_ptr(), &raw mut handle, ptr::null())
        })?;
        Ok(Image { pool: Arc::clone(self), handle })
    }
}

/// An open image.
#[derive(Debug)]
pub(super) struct Image {
    pool: Arc<PoolHandle>,
    handle: Handle,
}

#[expect(unsafe_code, reason = "librbd is thread-safe, and says so")]
// SAFETY: an open image may be used by every thread at once, and closed by any that is not one of librbd's own.
unsafe impl Send for Image {}
#[expect(unsafe_code, reason = "librbd is thread-safe, and says so")]
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Drop for Image {
    #[expect(unsafe_code, reason = "a function of librbd's")]
    fn drop(&mut self) {
        // SAFETY: this is the last use of the image; no callback of ours is ever registered with it.
        unsafe { (self.rbd().rbd_close)(self.handle) };
    }
}

impl Image {
    fn rbd(&self) -> &'static Rbd {
        self.pool.rbd()
    }

    /// Its size, and that of its objects, in bytes.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn sizes(&self) -> Result<(u64, u64), Failure> {
        let mut stat = ImageStat {
            size: 0,
            object_size: 0,
            object_count: 0,
            order: 0,
            prefix: [0; 24],
            parent_pool: 0,
            parent_name: [0; 96],
        };
        // SAFETY: the image is open, and the size that is given is that of the structure.
        checked(unsafe { (self.rbd().rbd_stat)(self.handle, &raw mut stat, size_of::<ImageStat>()) })?;
        Ok((stat.size, stat.object_size))
    }

    /// Its features, by name.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn features(&self) -> Result<Vec<String>, Failure> {
        let mut bits: u64 = 0;
        // SAFETY: the image is open, and the bits are written.
        checked(unsafe { (self.rbd().rbd_get_features)(self.handle, &raw mut bits) })?;
        let named = FEATURE_NAMES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        Ok(named.map(|(_, name)| (*name).to_owned()).collect())
    }

    /// Its own name, which stays when it is renamed.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn id(&self) -> Result<String, Failure> {
        let mut id = [0; 128];
        // SAFETY: the image is open, and the buffer has the length that is given.
        checked(unsafe { (self.rbd().rbd_get_id)(self.handle, id.as_mut_ptr(), id.len()) })?;
        Ok(copied(id.as_ptr()))
    }

    /// The snapshot that it is a clone of: pool, image, snapshot.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn parent(&self) -> Result<Option<(String, String, String)>, Failure> {
        let mut image = no_image();
        let mut snapshot = LinkedSnapshot { id: 0, namespace: 0, name: ptr::null_mut() };
        // SAFETY: the image is open, and both structures are written.
        let code = unsafe { (self.rbd().rbd_get_parent)(self.handle, &raw mut image, &raw mut snapshot) };
        match checked(code) {
            Ok(_) => {
                let names = (copied(image.pool_name), copied(image.image_name), copied(snapshot.name));
                // SAFETY: librbd wrote both, and they are not used any more.
                unsafe {
                    (self.rbd().rbd_linked_image_spec_cleanup)(&raw mut image);
                    (self.rbd().rbd_snap_spec_cleanup)(&raw mut snapshot);
                }
                Ok(Some(names))
            }
            Err(failure) if failure.code == libc::ENOENT => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The clones of the snapshot that it was opened at, as `pool/image`.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn clones(&self) -> Result<Vec<String>, Failure> {
        let mut found = with_room(no_image, |images, count| {
            // SAFETY: the image is open, and there is room for as many as the count says.
            unsafe { (self.rbd().rbd_list_children3)(self.handle, images, count) }
        })?;
        let name = |image: &LinkedImage| format!("{}/{}", copied(image.pool_name), copied(image.image_name));
        let names = found.iter().map(name).collect();
        // SAFETY: librbd wrote these, as many as there are, and they are not used any more.
        unsafe { (self.rbd().rbd_linked_image_spec_list_cleanup)(found.as_mut_ptr(), found.len()) };
        Ok(names)
    }

    /// Its snapshots, the oldest first; none that Ceph keeps for itself.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn snapshots(&self) -> Result<Vec<SeenSnapshot>, Failure> {
        let empty = || SnapshotStat { id: 0, size: 0, name: ptr::null() };
        let mut found = with_room(empty, |snapshots, count| {
            let mut room = c_int::try_from(*count).unwrap_or(c_int::MAX);
            // SAFETY: the image is open, and there is room for as many as it says.
            let code = unsafe { (self.rbd().rbd_snap_list)(self.handle, snapshots, &raw mut room) };
            *count = usize::try_from(if code < 0 { room } else { code }).unwrap_or_default();
            code
        })?;
        let seen = |stat: &SnapshotStat| SeenSnapshot {
            id: stat.id,
            name: copied(stat.name),
            size_bytes: stat.size,
        };
        let mut seen: Vec<_> = found.iter().map(seen).collect();
        if !found.is_empty() {
            // SAFETY: librbd wrote these and ended them with one without a name; they are not used any more.
            unsafe { (self.rbd().rbd_snap_list_end)(found.as_mut_ptr()) };
        }
        seen.retain(|snapshot| self.is_of_users(snapshot.id));
        seen.sort_by_key(|snapshot| snapshot.id);
        Ok(seen)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    fn is_of_users(&self, snapshot: u64) -> bool {
        let mut namespace = 0;
        // SAFETY: the image is open, and the namespace is written.
        let code =
            unsafe { (self.rbd().rbd_snap_get_namespace_type)(self.handle, snapshot, &raw mut namespace) };
        code == 0 && namespace == 0
    }

    /// Who has it open to change it: number, address.
    #[expect(unsafe_code, reason = "functions of librbd's")]
    pub(super) fn watchers(&self) -> Result<Vec<(i64, String)>, Failure> {
        let empty = || Watcher { address: ptr::null_mut(), id: 0, cookie: 0 };
        let mut found = with_room(empty, |watchers, count| {
            // SAFETY: the image is open, and there is room for as many as the count says.
            unsafe { (self.rbd().rbd_watchers_list)(self.handle, watchers, count) }
        })?;
        let seen = found.iter().map(|watcher| (watcher.id, copied(watcher.address))).collect();
        // SAFETY: librbd wrote these, as many as there are, and they are not used any more.
        unsafe { (self.rbd().rbd_watchers_list_cleanup)(found.as_mut_ptr(), found.len()) };
        Ok(seen)
    }

    /// Who holds its lock.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn lockers(&self) -> Result<Vec<Locker>, Failure> {
        let mut room = 512_usize;
        loop {
            let mut exclusive = 0;
            let [mut tag, mut holders, mut cookies, mut addresses] = [(); 4].map(|()| vec![0_u8; room]);
            let [mut tag_length, mut holders_length, mut cookies_length, mut addresses_length] = [room; 4];
            // SAFETY: the image is open, and every buffer has the length that is given with it.
            let count = unsafe {
                (self.rbd().rbd_list_lockers)(
                    self.handle,
                    &raw mut exclusive,
                    tag.as_mut_ptr().cast(),
                    &raw mut tag_length,
                    holders.as_mut_ptr().cast(),
                    &raw mut holders_length,
                    cookies.as_mut_ptr().cast(),
                    &raw mut cookies_length,
                    addresses.as_mut_ptr().cast(),
                    &raw mut addresses_length,
                )
            };
            match c_int::try_from(count).unwrap_or(c_int::MIN) {
                count if count == -ERANGE => room *= 4,
                count if count < 0 => return Err(Failure::new(-count, "")),
                count => {
                    let count = usize::try_from(count).unwrap_or_default();
                    let [holders, cookies, addresses] =
                        [holders, cookies, addresses].map(|list| split(&list, count));
                    let both = holders.into_iter().zip(cookies).zip(addresses);
                    return Ok(both.map(|((holder, cookie), address)| (holder, cookie, address)).collect());
                }
            }
        }
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn break_lock(&self, holder: &str, cookie: &str) -> Result<(), Failure> {
        let (holder, cookie) = (text(holder), text(cookie));
        // SAFETY: the image is open, and both texts end with zero and are copied.
        let code = unsafe { (self.rbd().rbd_break_lock)(self.handle, holder.as_ptr(), cookie.as_ptr()) };
        checked(code).map(drop)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn grow(&self, size_bytes: u64) -> Result<(), Failure> {
        // SAFETY: the image is open; it may not shrink, and nobody is told of the progress.
        let code = unsafe { (self.rbd().rbd_resize2)(self.handle, size_bytes, false, None, ptr::null_mut()) };
        checked(code).map(drop)
    }

    /// One of the functions of librbd that take an image and the name of a snapshot.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    fn on_snapshot(
        &self,
        act: unsafe extern "C" fn(Handle, *const c_char) -> c_int,
        name: &str,
    ) -> Result<(), Failure> {
        let name = text(name);
        // SAFETY: the image is open, and the text ends with zero and is copied.
        checked(unsafe { act(self.handle, name.as_ptr()) }).map(drop)
    }

    pub(super) fn take(&self, name: &str) -> Result<(), Failure> {
        self.on_snapshot(self.rbd().rbd_snap_create, name)
    }

    pub(super) fn remove_snapshot(&self, name: &str) -> Result<(), Failure> {
        self.on_snapshot(self.rbd().rbd_snap_remove, name)
    }

    pub(super) fn roll_back(&self, name: &str) -> Result<(), Failure> {
        self.on_snapshot(self.rbd().rbd_snap_rollback, name)
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn rename_snapshot(&self, name: &str, to: &str) -> Result<(), Failure> {
        let (name, to) = (text(name), text(to));
        // SAFETY: the image is open, and both texts end with zero and are copied.
        checked(unsafe { (self.rbd().rbd_snap_rename)(self.handle, name.as_ptr(), to.as_ptr()) }).map(drop)
    }

    /// Reads from there on until the piece is full.
    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn read(&self, offset: u64, piece: &mut [u8]) -> Result<(), Failure> {
        // SAFETY: the image is open, and the buffer has the length that is given.
        let count =
            unsafe { (self.rbd().rbd_read2)(self.handle, offset, piece.len(), piece.as_mut_ptr().cast(), 0) };
        all(count, piece.len())
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn write(&self, offset: u64, piece: &[u8]) -> Result<(), Failure> {
        // SAFETY: the image is open, and the buffer has the length that is given.
        let count =
            unsafe { (self.rbd().rbd_write2)(self.handle, offset, piece.len(), piece.as_ptr().cast(), 0) };
        all(count, piece.len())
    }

    #[expect(unsafe_code, reason = "a function of librbd's")]
    pub(super) fn flush(&self) -> Result<(), Failure> {
        // SAFETY: the image is open.
        checked(unsafe { (self.rbd().rbd_flush)(self.handle) }).map(drop)
    }
}

/// A text of C's, copied; empty where there is none.
#[expect(unsafe_code, reason = "texts of librbd's")]
fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: librbd's texts end with zero and live until they are cleaned up, which is after this.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Asks with room for ever more until all of it finds room: the call writes how many there are when there is too little
/// room, and returns `ERANGE`.
fn with_room<T>(
    empty: impl Fn() -> T,
    mut call: impl FnMut(*mut T, &mut usize) -> c_int,
) -> Result<Vec<T>, Failure> {
    let mut room: usize = 16;
    loop {
        let mut found: Vec<T> = (0..room).map(|_| empty()).collect();
        let mut count = room;
        match checked(call(found.as_mut_ptr(), &mut count)) {
            Ok(_) => {
                found.truncate(count);
                return Ok(found);
            }
            Err(failure) if failure.code == ERANGE => room = count.max(room * 2),
            Err(failure) => return Err(failure),
        }
    }
}

fn no_image() -> LinkedImage {
    LinkedImage {
        pool_id: 0,
        pool_name: ptr::null_mut(),
        pool_namespace: ptr::null_mut(),
        image_id: ptr::null_mut(),
        image_name: ptr::null_mut(),
        trash: 0,
    }
}

/// Whether as much was moved as was wanted.
fn all(count: isize, wanted: usize) -> Result<(), Failure> {
    match usize::try_from(count) {
        Ok(count) if count == wanted => Ok(()),
        Ok(_) => Err(Failure::new(libc::EIO, "less was moved than was wanted")),
        Err(_) => Err(Failure::new(i32::try_from(-count).unwrap_or(libc::EIO), "")),
    }
}

/// The first texts of a list in which each ends with a zero.
fn split(list: &[u8], count: usize) -> Vec<String> {
    list.split(|byte| *byte == 0).take(count).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}
