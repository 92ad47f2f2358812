//! Volumes in Ceph: images of librbd's, looked at before they are changed, so that refusals are ours and plain.

use std::net::IpAddr;
use std::time::Duration;

use logic::id::{PoolName, VolumeName};
use logic::storage::{SnapshotPath, VolumePath};

use super::answers::address;
use super::image::Image;
use super::rados::Failure;
use super::transfers::is_staging;
use super::{Ceph, Outcome, Session};
use crate::storage::error::Refusal;
use crate::storage::{Error, Location, Lock, User, Volume, Volumes};

/// How often, and at what interval, one looks for an image whose name is taken, before it counts as one whose making was
/// cut off: far longer than the making takes.
const BEING_MADE: (u32, Duration) = (100, Duration::from_millis(100));

fn users_of(image: &Image) -> Outcome<Vec<User>> {
    let user = |(id, at): (i64, String)| Ok(User { who: format!("client.{id}"), address: Some(told(&at)?) });
    image.watchers()?.into_iter().map(user).collect()
}

/// Where somebody is. One of whom it is not known is nobody of this machine.
fn told(at: &str) -> Outcome<IpAddr> {
    let unclear = || Failure::new(libc::EPROTO, format!("the address \"{at}\" is not understood"));
    Ok(address(at).ok_or_else(unclear)?)
}

impl Session {
    /// Refuses what somebody has open.
    pub(super) fn idle(volume: &VolumePath, image: &Image) -> Outcome {
        match users_of(image)?.first() {
            None => Ok(()),
            Some(user) => {
                let at = user.address.map(|at| format!(" at {at}")).unwrap_or_default();
                Err(Refusal::in_use(volume, &format!("{}{at}", user.who)).into())
            }
        }
    }

    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let pool = self.pool(&volume.pool)?;
        if size_bytes == 0 {
            return Err(Refusal::empty().into());
        }
        let name = volume.volume.as_str();
        match pool.create(name, size_bytes) {
            Ok(()) => return Ok(()),
            Err(failure) if failure.code == libc::EEXIST => {}
            Err(failure) => return Err(failure.into()),
        }
        for _ in 0..BEING_MADE.0 {
            match self.seen(volume)? {
                Some(image) if image.sizes()?.0 == size_bytes => return Ok(()),
                Some(_) => return Err(Refusal::exists(format!("{volume} of another size")).into()),
                // Its name is taken and there is no image: somebody is making it just now, or died over it.
                None => std::thread::sleep(BEING_MADE.1),
            }
        }
        pool.remove(name)?;
        Ok(pool.create(name, size_bytes)?)
    }

    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let (has, _) = self.demand(volume)?.sizes()?;
        if size_bytes < has {
            return Err(Refusal::shrinks(volume, has).into());
        }
        if size_bytes > has {
            self.changed(volume)?.grow(size_bytes)?;
        }
        Ok(())
    }

    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Outcome {
        let target = volume.beside(to);
        match (self.seen(volume)?, self.seen(&target)?) {
            (Some(image), None) => {
                Self::idle(volume, &image)?;
                drop(image);
                Ok(self.pool(&volume.pool)?.rename(volume.volume.as_str(), to.as_str())?)
            }
            (Some(_), Some(_)) if *to != volume.volume => Err(Refusal::exists(target).into()),
            (_, Some(_)) => Ok(()),
            (None, None) => Err(Refusal::absent(format!("volume {volume}")).into()),
        }
    }

    fn remove(&self, volume: &VolumePath) -> Outcome {
        let Some(image) = self.seen(volume)? else { return Ok(()) };
        Self::idle(volume, &image)?;
        let count = image.snapshots()?.len();
        if count > 0 {
            return Err(Refusal::has_snapshots(volume, count).into());
        }
        drop(image);
        match self.pool(&volume.pool)?.remove(volume.volume.as_str()) {
            Err(failure) if failure.code != libc::ENOENT => Err(failure.into()),
            _ => Ok(()),
        }
    }

    fn volume(&self, path: &VolumePath) -> Outcome<Option<Volume>> {
        let Some(image) = self.seen(path)? else { return Ok(None) };
        let (size_bytes, object_size_bytes) = image.sizes()?;
        let parent = |(pool, volume, snapshot): (String, String, String)| {
            format!("{pool}/{volume}@{snapshot}").parse::<SnapshotPath>().ok()
        };
        Ok(Some(Volume {
            path: path.clone(),
            size_bytes,
            id: image.id()?,
            object_size_bytes,
            features: image.features()?,
            snapshot_count: image.snapshots()?.len(),
            clone_of: image.parent()?.and_then(parent),
            location: Location::Rbd,
        }))
    }
}

impl Volumes for Ceph {
    fn volumes(&self, pool: &PoolName) -> Result<Vec<VolumeName>, Error> {
        let pool = pool.clone();
        self.look(&format!("list the volumes of {pool}"), move |session| {
            let names = session.pool(&pool)?.images()?;
            let mut ours: Vec<VolumeName> =
                names.iter().filter(|name| !is_staging(name)).filter_map(|name| name.parse().ok()).collect();
            ours.sort();
            Ok(ours)
        })
    }

    fn volume(&self, volume: &VolumePath) -> Result<Option<Volume>, Error> {
        let path = volume.clone();
        self.look(&format!("look at {volume}"), move |session| session.volume(&path))
    }

    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let what = format!("make {volume}");
        self.change(&what, volume, move |session, volume| session.create(volume, size_bytes))
    }

    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let what = format!("resize {volume} to {size_bytes} bytes");
        self.change(&what, volume, move |session, volume| session.resize(volume, size_bytes))
    }

    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Result<(), Error> {
        let (what, to) = (format!("rename {volume} to {to}"), to.clone());
        self.change(&what, volume, move |session, volume| session.rename(volume, &to))
    }

    fn remove(&self, volume: &VolumePath) -> Result<(), Error> {
        self.change(&format!("remove {volume}"), volume, |session, volume| session.remove(volume))
    }

    fn users(&self, volume: &VolumePath) -> Result<(Vec<User>, Vec<Lock>), Error> {
        let path = volume.clone();
        self.look(&format!("see who uses {volume}"), move |session| {
            let image = session.demand(&path)?;
            let lock = |(holder, cookie, at): (String, String, String)| {
                Ok(Lock { holder, cookie, address: Some(told(&at)?) })
            };
            let locks: Outcome<Vec<Lock>> = image.lockers()?.into_iter().map(lock).collect();
            Ok((users_of(&image)?, locks?))
        })
    }

    fn break_lock(&self, volume: &VolumePath, lock: &Lock) -> Result<(), Error> {
        let (what, lock) = (format!("break the lock of {} on {volume}", lock.holder), lock.clone());
        let path = volume.clone();
        // A guest waits for it. It names holder and lock, so that one that comes late, or twice, breaks no other.
        let deadline = self.deadlines().look * 2;
        self.call(&what, super::Subject::Locks(volume.clone()), deadline, move |session| {
            match session.changed(&path)?.break_lock(&lock.holder, &lock.cookie) {
                Err(failure) if failure.code != libc::ENOENT => Err(failure.into()),
                _ => Ok(()),
            }
        })
    }
}
