//! Volumes in a directory: files, made aside and renamed.

use logic::id::{PoolName, VolumeName};
use logic::storage::VolumePath;

use super::{Desk, Directory, Outcome, Takes, remove_file, words};
use crate::storage::error::Refusal;
use crate::storage::{Error, Location, Lock, User, Volume, Volumes};

impl Desk {
    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let folder = self.folder(&volume.pool)?;
        if size_bytes == 0 {
            return Err(Refusal::empty().into());
        }
        if let Some(there) = self.seen(volume)? {
            return match there.size_bytes == size_bytes {
                true => Ok(()),
                false => Err(Refusal::exists(format!("{volume} of another size")).into()),
            };
        }
        let made = folder.join(format!(".make.{}", volume.volume));
        remove_file(&made)?;
        self.qemu_img(&["create", "-q", "-f", "qcow2", words(&made), &size_bytes.to_string()])?;
        self.settle(&made, &folder.join(format!("{}.qcow2", volume.volume)), Takes::Free)
    }

    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let image = self.demand(volume)?;
        if size_bytes < image.size_bytes {
            return Err(Refusal::shrinks(volume, image.size_bytes).into());
        }
        if size_bytes > image.size_bytes {
            Self::idle(volume, &image)?;
            let size = size_bytes.to_string();
            self.qemu_img(&["resize", "-q", "-f", image.format.as_str(), words(&image.path), &size])?;
        }
        Ok(())
    }

    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Outcome {
        let target = volume.beside(to);
        match (self.seen(volume)?, self.seen(&target)?) {
            (Some(image), None) => {
                Self::idle(volume, &image)?;
                let name = format!("{to}.{}", image.format.as_str());
                self.settle(&image.path, &image.path.with_file_name(name), Takes::Free)?;
                self.follow(&volume.pool, |path| {
                    if path.of == *volume {
                        path.of = target.clone();
                    }
                })
            }
            (Some(_), Some(_)) if *to != volume.volume => Err(Refusal::exists(target).into()),
            (_, Some(_)) => Ok(()),
            (None, None) => Err(Refusal::absent(format!("volume {volume}")).into()),
        }
    }

    fn remove(&self, volume: &VolumePath) -> Outcome {
        let Some(image) = self.seen(volume)? else { return Ok(()) };
        Self::idle(volume, &image)?;
        match image.snapshots().len() {
            0 => {
                remove_file(&image.path)?;
                self.sync_folder(&image.path)
            }
            count => Err(Refusal::has_snapshots(volume, count).into()),
        }
    }

    fn volume(&self, path: &VolumePath) -> Outcome<Option<Volume>> {
        let Some(image) = self.seen(path)? else { return Ok(None) };
        Ok(Some(Volume {
            path: path.clone(),
            size_bytes: image.size_bytes,
            id: String::new(),
            object_size_bytes: 0,
            features: Vec::new(),
            snapshot_count: image.snapshots().len(),
            clone_of: image.base.as_deref().and_then(|base| self.cloned_from(base)),
            location: Location::File { path: image.path, format: image.format },
        }))
    }
}

impl Volumes for Directory {
    fn volumes(&self, pool: &PoolName) -> Result<Vec<VolumeName>, Error> {
        let pool = pool.clone();
        self.look(&format!("list the volumes of {pool}"), move |desk| desk.volume_names(&pool))
    }

    fn volume(&self, volume: &VolumePath) -> Result<Option<Volume>, Error> {
        let path = volume.clone();
        self.look(&format!("look at {volume}"), move |desk| desk.volume(&path))
    }

    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let path = volume.clone();
        self.change(&format!("make {volume}"), move |desk| desk.create(&path, size_bytes))
    }

    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let path = volume.clone();
        let what = format!("resize {volume} to {size_bytes} bytes");
        self.change(&what, move |desk| desk.resize(&path, size_bytes))
    }

    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Result<(), Error> {
        let (path, new) = (volume.clone(), to.clone());
        self.change(&format!("rename {volume} to {to}"), move |desk| desk.rename(&path, &new))
    }

    fn remove(&self, volume: &VolumePath) -> Result<(), Error> {
        let path = volume.clone();
        self.change(&format!("remove {volume}"), move |desk| desk.remove(&path))
    }

    fn users(&self, volume: &VolumePath) -> Result<(Vec<User>, Vec<Lock>), Error> {
        let path = volume.clone();
        self.look(&format!("see who uses {volume}"), move |desk| {
            let is_open = desk.demand(&path)?.is_open()?;
            let user = User { who: "a process of this machine".into(), address: None };
            // The kernel's locks end with their holders: there are none of the dead.
            Ok((is_open.then_some(user).into_iter().collect(), Vec::new()))
        })
    }

    fn break_lock(&self, volume: &VolumePath, _: &Lock) -> Result<(), Error> {
        let path = volume.clone();
        self.look(&format!("break a lock on {volume}"), move |desk| desk.demand(&path).map(drop))
    }
}
