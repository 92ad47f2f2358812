//! Clones in a directory: what a snapshot showed is brought into a file of its own once, and clones differ from that.
//!
//! QEMU's format lets a file keep only what differs from another file, not from a snapshot inside one. The files in
//! between have names that never change, because the clones name them; which snapshot each shows is written beside it.

use std::path::{Path, PathBuf};

use logic::id::PoolName;
use logic::storage::{SnapshotPath, VolumePath};
use uuid::Uuid;

use super::image::Image;
use super::{Desk, Outcome, Takes, remove_file, words};
use crate::storage::Format;
use crate::storage::error::Refusal;

/// A file between a snapshot and its clones.
struct Base {
    of: SnapshotPath,
    /// The path without its ending.
    path: PathBuf,
}

impl Base {
    fn file(&self) -> PathBuf {
        self.path.with_extension("qcow2")
    }

    fn note(&self) -> PathBuf {
        self.path.with_extension("of")
    }
}

fn read_note(note: &Path) -> Option<SnapshotPath> {
    std::fs::read_to_string(note).ok()?.trim().parse().ok()
}

impl Desk {
    /// Those in a pool.
    fn bases(&self, pool: &PoolName) -> Outcome<Vec<Base>> {
        let folder = self.folder(pool)?.join(".base");
        let names = match folder.exists() {
            true => Self::names(&folder)?,
            false => Vec::new(),
        };
        let base = |name: &String| {
            let path = folder.join(name.strip_suffix(".of")?);
            Some(Base { of: read_note(&folder.join(name))?, path })
        };
        Ok(names.iter().filter_map(base).collect())
    }

    /// Which snapshot a file is a clone of that names this base.
    pub(super) fn cloned_from(&self, base: &str) -> Option<SnapshotPath> {
        read_note(&Path::new(base).with_extension("of"))
    }

    /// The volumes, in all pools, that are clones of a snapshot.
    pub(super) fn clones(&self, path: &SnapshotPath) -> Outcome<Vec<String>> {
        let bases: Vec<PathBuf> = self.bases_of(path)?.iter().map(Base::file).collect();
        if bases.is_empty() {
            return Ok(Vec::new());
        }
        let mut clones = Vec::new();
        for pool in self.pool_names()? {
            for volume in self.volume_names(&pool)? {
                let volume = VolumePath { pool: pool.clone(), volume };
                let base = self.seen(&volume)?.and_then(|image| image.base);
                if base.is_some_and(|base| bases.iter().any(|known| known.as_path() == Path::new(&base))) {
                    clones.push(volume.to_string());
                }
            }
        }
        Ok(clones)
    }

    fn bases_of(&self, path: &SnapshotPath) -> Outcome<Vec<Base>> {
        Ok(self.bases(&path.of.pool)?.into_iter().filter(|base| base.of == *path).collect())
    }

    /// What clones of a snapshot needed is needed no more.
    pub(super) fn forget(&self, path: &SnapshotPath) -> Outcome {
        for base in self.bases_of(path)? {
            remove_file(&base.file())?;
            remove_file(&base.note())?;
        }
        Ok(())
    }

    /// What is called otherwise now is so in the notes too.
    pub(super) fn follow(&self, pool: &PoolName, renamed: impl Fn(&mut SnapshotPath)) -> Outcome {
        for base in self.bases(pool)? {
            let mut of = base.of.clone();
            renamed(&mut of);
            if of != base.of {
                self.note(&base.path, &of)?;
            }
        }
        Ok(())
    }

    fn note(&self, base: &Path, of: &SnapshotPath) -> Outcome {
        let made = base.with_extension("note");
        std::fs::write(&made, of.to_string())?;
        self.settle(&made, &base.with_extension("of"), Takes::Any)
    }

    /// The file between a snapshot and its clones, made if there is none.
    fn ensure_base(&self, path: &SnapshotPath, image: &Image, name: &str) -> Outcome<PathBuf> {
        if let Some(base) = self.bases_of(path)?.iter().map(Base::file).find(|file| file.exists()) {
            return Ok(base);
        }
        Self::idle(&path.of, image)?;
        let folder = self.folder(&path.of.pool)?;
        let made = folder.join(format!(".make.{}@{}", path.of.volume, path.snapshot));
        remove_file(&made)?;
        let source = words(&image.path);
        let shown = format!("snapshot.name={name}");
        self.qemu_img(&["convert", "-f", "qcow2", "-l", &shown, "-O", "qcow2", source, words(&made)])?;
        let base = folder.join(".base").join(Uuid::new_v4().to_string());
        std::fs::create_dir_all(folder.join(".base"))?;
        // The note first: a note without a file is nothing, and a file without a note would never be removed.
        self.note(&base, path)?;
        self.settle(&made, &base.with_extension("qcow2"), Takes::Free)?;
        Ok(base.with_extension("qcow2"))
    }

    pub(super) fn clone_volume(&self, path: &SnapshotPath, to: &VolumePath) -> Outcome {
        let image = self.demand(&path.of)?;
        let Some(name) = image.name_of(&path.snapshot) else {
            return Err(Refusal::absent(format!("snapshot {path}")).into());
        };
        let folder = self.folder(&to.pool)?;
        if let Some(there) = self.seen(to)? {
            let parent = there.base.as_deref().and_then(|base| self.cloned_from(base));
            return if parent.as_ref() == Some(path) { Ok(()) } else { Err(Refusal::exists(to).into()) };
        }
        let base = self.ensure_base(path, &image, name)?;
        let made = folder.join(format!(".make.{}", to.volume));
        remove_file(&made)?;
        let format = Format::Qcow2.as_str();
        self.qemu_img(&["create", "-q", "-f", format, "-b", words(&base), "-F", format, words(&made)])?;
        self.settle(&made, &folder.join(format!("{}.qcow2", to.volume)), Takes::Free)
    }
}
