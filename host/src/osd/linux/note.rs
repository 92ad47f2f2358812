//! The machine's notes of its OSDs: one file each, whole or not there, on the disk before anything else is done.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use logic::storage::osd::{OsdId, OsdUuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::osd::Error;

/// What an OSD is laid on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    /// On the device itself, or on its partitions.
    Raw,
    /// On logical volumes.
    Lvm,
}

/// The note of one OSD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Its identity.
    pub(super) uuid: OsdUuid,
    /// Its number.
    pub(super) id: OsdId,
    /// The device that bears it.
    pub(super) device: String,
    /// Which part of that.
    pub(super) part: u32,
    /// How many parts that has.
    pub(super) parts: u32,
    /// The device of its database, if it has one.
    pub(super) db_device: Option<String>,
    /// What it is laid on.
    pub(super) layout: Layout,
}

/// The note of the device for databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Db {
    /// Which.
    pub(super) device: String,
}

/// The folder of notes.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    folder: PathBuf,
}

impl Notes {
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, osd: OsdUuid) -> PathBuf {
        self.folder.join(format!("{osd}.json"))
    }

    pub(super) fn read(&self, osd: OsdUuid) -> Result<Option<Note>, Error> {
        read(&self.path(osd))
    }

    pub(super) fn write(&self, note: &Note) -> Result<(), Error> {
        write(&self.path(note.uuid), note)
    }

    pub(super) fn remove(&self, osd: OsdUuid) -> Result<(), Error> {
        match fs::remove_file(self.path(osd)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::failed("forget the OSD", error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn all(&self) -> Result<Vec<Note>, Error> {
        let mut notes = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let uuid = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if let Some(uuid) = uuid {
                notes.extend(self.read(uuid)?);
            }
        }
        Ok(notes)
    }

    pub(super) fn db(&self) -> Result<Option<Db>, Error> {
        read(&self.folder.join("db.json"))
    }

    pub(super) fn write_db(&self, db: &Db) -> Result<(), Error> {
        write(&self.folder.join("db.json"), db)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let what = || format!("read {}", path.display());
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::failed(what(), error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(what(), error)),
    }
}

fn write<T: Serialize>(path: &Path, note: &T) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::failed(format!("write {}", path.display()), error);
    let text = serde_json::to_vec_pretty(note).expect("a note is plain data");
    let folder = path.parent().expect("a note lies in a folder");
    fs::create_dir_all(folder).map_err(failed)?;
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
