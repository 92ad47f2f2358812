//! Files of an identity: replaced as a whole or not at all, and keys that nobody else may read.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, geteuid};

use super::{Error, Outcome};

/// Who may read a file beside its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Nobody.
    Owner,
    /// One group.
    Group(Gid),
    /// Everybody.
    All,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group(_) => 0o640,
            Self::All => 0o644,
        }
    }

    fn group(self) -> Option<Gid> {
        match self {
            Self::Group(group) => Some(group),
            Self::Owner | Self::All => None,
        }
    }
}

/// What a file holds.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.into() },
        _ => Error::Unreadable { path: path.into(), source },
    })
}

/// What a key's file holds, if its owner alone can have read or written it.
pub(super) fn read_key(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = read(path)?;
    let metadata = fs::metadata(path).map_err(|source| Error::Unreadable { path: path.into(), source })?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.into(), mode });
    }
    if ![0, geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(Error::Foreign { path: path.into(), uid: metadata.uid() });
    }
    Ok(bytes)
}

/// Puts a file there as a whole: whoever reads it sees the old one or the new one. One that is as it should be is left
/// alone.
pub(super) fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<Outcome, Error> {
    if is_there(path, bytes, readers) {
        return Ok(Outcome::Unchanged);
    }
    replace(path, bytes, readers, |new| fs::rename(new, path))?;
    Ok(Outcome::Changed)
}

/// Puts a file there if there is none: of two who do so at once, one's file stays and both go on with it.
pub(super) fn write_first(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Error> {
    replace(path, bytes, readers, |new| match fs::hard_link(new, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    })
}

fn is_there(path: &Path, bytes: &[u8], readers: Readers) -> bool {
    let as_asked = |metadata: fs::Metadata| {
        metadata.mode() & 0o7777 == readers.mode()
            && readers.group().is_none_or(|group| metadata.gid() == group.as_raw())
    };
    fs::symlink_metadata(path).is_ok_and(as_asked) && fs::read(path).is_ok_and(|there| there == bytes)
}

fn replace(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let new = beside(path);
    let replaced = write_new(&new, bytes, readers).and_then(|()| put(&new)).and_then(|()| settle(path));
    // After a rename it is not there any more, and after a failure nobody wants it.
    drop(fs::remove_file(&new));
    replaced.map_err(|source| Error::Unwritable { path: path.into(), source })
}

/// A name in the same folder that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()))
}

fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(group) = readers.group() {
        std::os::unix::fs::fchown(&file, None, Some(group.as_raw()))?;
    }
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(readers.mode()))?;
    file.sync_all()
}

/// Makes the new name survive a loss of power.
fn settle(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Makes a folder where there is none; those that are there keep their permissions.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| Error::Unwritable { path: path.into(), source })
}
