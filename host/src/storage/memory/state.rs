//! What each call does to the storage in memory, and what it refuses.

use logic::id::{PoolName, SnapshotName, VolumeName};
use logic::storage::{SnapshotPath, VolumePath};

use super::{Content, Image, Members, Opening, State};
use crate::storage::error::Refusal;
use crate::storage::{Cause, Location, Lock, Pool, Snapshot, User, Volume};

type Outcome<T = ()> = Result<T, Refusal>;

impl State {
    fn members(&self, pool: &PoolName) -> Outcome<&Members> {
        self.pools.get(pool).map(|(_, members)| members).ok_or_else(|| Refusal::no_pool(pool))
    }

    pub(super) fn members_mut(&mut self, pool: &PoolName) -> Outcome<&mut Members> {
        self.pools.get_mut(pool).map(|(_, members)| members).ok_or_else(|| Refusal::no_pool(pool))
    }

    pub(super) fn image(&self, volume: &VolumePath) -> Outcome<&Image> {
        let images = &self.members(&volume.pool)?.images;
        images.get(&volume.volume).ok_or_else(|| Refusal::absent(format!("volume {volume}")))
    }

    pub(super) fn image_mut(&mut self, volume: &VolumePath) -> Outcome<&mut Image> {
        let images = &mut self.members_mut(&volume.pool)?.images;
        images.get_mut(&volume.volume).ok_or_else(|| Refusal::absent(format!("volume {volume}")))
    }

    pub(super) fn is_there(&self, volume: &VolumePath) -> Outcome<bool> {
        Ok(self.members(&volume.pool)?.images.contains_key(&volume.volume))
    }

    fn openings(&self, volume: &VolumePath) -> impl Iterator<Item = (u64, &Opening)> + use<'_> {
        let volume = volume.clone();
        self.openings
            .iter()
            .filter(move |(_, opening)| opening.volume == volume)
            .map(|(opened, opening)| (opened.0, opening))
    }

    pub(super) fn idle(&self, volume: &VolumePath) -> Outcome {
        match self.openings(volume).next() {
            None => Ok(()),
            Some((number, opening)) => {
                Err(Refusal::in_use(volume, &format!("client.{number} at {}", opening.address)))
            }
        }
    }

    pub(super) fn room(&self, pool: &PoolName) -> Outcome {
        if self.is_full { Err(Refusal::full(pool)) } else { Ok(()) }
    }

    pub(super) fn ensure_pool(&mut self, pool: &Pool) -> Outcome {
        let copies = pool.replication;
        if copies.copies == 0 || copies.copies_min == 0 || copies.copies_min > copies.copies {
            let why = format!("{} copies, {} of them needed, cannot be", copies.copies, copies.copies_min);
            return Err(Refusal::new(Cause::Unfit, why, "give such as copies=3,mincopies=2"));
        }
        match self.pools.get(&pool.name) {
            Some((there, _)) if there.replication == pool.replication => Ok(()),
            Some(_) => Err(Refusal::exists(format!("the pool {} with other copies", pool.name))),
            None => {
                self.pools.insert(pool.name.clone(), (pool.clone(), Members::default()));
                Ok(())
            }
        }
    }

    pub(super) fn set_placement_groups(&mut self, pool: &PoolName, count: u32) -> Outcome {
        let (there, _) = self.pools.get_mut(pool).ok_or_else(|| Refusal::no_pool(pool))?;
        there.placement_group_count = count;
        Ok(())
    }

    pub(super) fn remove_pool(&mut self, pool: &PoolName) -> Outcome {
        let count = self.pools.get(pool).map_or(0, |(_, members)| members.images.len());
        if count > 0 {
            return Err(Refusal::has_volumes(pool, count));
        }
        self.pools.remove(pool);
        Ok(())
    }

    pub(super) fn volumes(&self, pool: &PoolName) -> Outcome<Vec<VolumeName>> {
        Ok(self.members(pool)?.images.keys().cloned().collect())
    }

    pub(super) fn volume(&self, volume: &VolumePath) -> Outcome<Option<Volume>> {
        let image = self.members(&volume.pool)?.images.get(&volume.volume);
        Ok(image.map(|image| Volume {
            path: volume.clone(),
            size_bytes: image.now.size_bytes,
            id: format!("{:x}", image.id),
            object_size_bytes: 1 << 22,
            features: vec!["layering".into(), "exclusive-lock".into()],
            snapshot_count: image.snapshots.len(),
            clone_of: image.clone_of.clone(),
            location: Location::Rbd,
        }))
    }

    pub(super) fn create(&mut self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        if size_bytes == 0 {
            return Err(Refusal::empty());
        }
        if self.is_there(volume)? {
            let alike = self.image(volume)?.now.size_bytes == size_bytes;
            return if alike { Ok(()) } else { Err(Refusal::exists(format!("{volume} of another size"))) };
        }
        self.room(&volume.pool)?;
        self.insert(volume, Content { size_bytes, bytes: Vec::new() }, None)
    }

    pub(super) fn insert(
        &mut self,
        volume: &VolumePath,
        now: Content,
        clone_of: Option<SnapshotPath>,
    ) -> Outcome {
        let image = Image { id: self.number(), now, clone_of, ..Image::default() };
        self.members_mut(&volume.pool)?.images.insert(volume.volume.clone(), image);
        Ok(())
    }

    pub(super) fn resize(&mut self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let has = self.image(volume)?.now.size_bytes;
        if size_bytes < has {
            return Err(Refusal::shrinks(volume, has));
        }
        if size_bytes > has {
            self.room(&volume.pool)?;
        }
        self.image_mut(volume)?.now.size_bytes = size_bytes;
        Ok(())
    }

    pub(super) fn rename(&mut self, volume: &VolumePath, to: &VolumeName) -> Outcome {
        let target = volume.beside(to);
        match (self.is_there(volume)?, self.is_there(&target)?) {
            (true, false) => {
                self.idle(volume)?;
                let members = self.members_mut(&volume.pool)?;
                let image = members.images.remove(&volume.volume);
                members.images.extend(image.map(|image| (to.clone(), image)));
                let renamed = |of: &VolumePath| if of == volume { target.clone() } else { of.clone() };
                self.follow(|path| SnapshotPath { of: renamed(&path.of), ..path.clone() });
                Ok(())
            }
            (true, true) if *to != volume.volume => Err(Refusal::exists(target)),
            (_, true) => Ok(()),
            (false, false) => Err(Refusal::absent(format!("volume {volume}"))),
        }
    }

    /// Clones know their parents by what these are called now.
    fn follow(&mut self, renamed: impl Fn(&SnapshotPath) -> SnapshotPath) {
        let images = self.pools.values_mut().flat_map(|(_, members)| members.images.values_mut());
        for parent in images.filter_map(|image| image.clone_of.as_mut()) {
            *parent = renamed(parent);
        }
    }

    pub(super) fn remove(&mut self, volume: &VolumePath) -> Outcome {
        if !self.is_there(volume)? {
            return Ok(());
        }
        self.idle(volume)?;
        let count = self.image(volume)?.snapshots.len();
        if count > 0 {
            return Err(Refusal::has_snapshots(volume, count));
        }
        self.members_mut(&volume.pool)?.images.remove(&volume.volume);
        Ok(())
    }

    pub(super) fn users(&self, volume: &VolumePath) -> Outcome<(Vec<User>, Vec<Lock>)> {
        let user = |(number, opening): (u64, &Opening)| User {
            who: format!("client.{number}"),
            address: Some(opening.address),
        };
        Ok((self.openings(volume).map(user).collect(), self.image(volume)?.locks.clone()))
    }

    pub(super) fn break_lock(&mut self, volume: &VolumePath, lock: &Lock) -> Outcome {
        let image = self.image_mut(volume)?;
        image.locks.retain(|held| (&held.holder, &held.cookie) != (&lock.holder, &lock.cookie));
        // As in Ceph: whoever held it is blocked, and so is not told of any more.
        let held_by = |number: u64| lock.holder == format!("client.{number}");
        self.openings.retain(|opened, _| !held_by(opened.0));
        Ok(())
    }

    pub(super) fn snapshots(&self, volume: &VolumePath) -> Outcome<Vec<Snapshot>> {
        let seen = |(name, content): &(SnapshotName, Content)| Snapshot {
            name: name.clone(),
            size_bytes: content.size_bytes,
        };
        Ok(self.image(volume)?.snapshots.iter().map(seen).collect())
    }

    pub(super) fn shown(&self, path: &SnapshotPath) -> Outcome<Option<Content>> {
        let snapshots = &self.image(&path.of)?.snapshots;
        Ok(snapshots.iter().find(|(name, _)| *name == path.snapshot).map(|(_, content)| content.clone()))
    }

    fn demand(&self, path: &SnapshotPath) -> Outcome<Content> {
        self.shown(path)?.ok_or_else(|| Refusal::absent(format!("snapshot {path}")))
    }

    pub(super) fn take(&mut self, path: &SnapshotPath) -> Outcome {
        if self.shown(path)?.is_none() {
            self.room(&path.of.pool)?;
            let image = self.image_mut(&path.of)?;
            image.snapshots.push((path.snapshot.clone(), image.now.clone()));
        }
        Ok(())
    }

    pub(super) fn rename_snapshot(&mut self, path: &SnapshotPath, to: &SnapshotName) -> Outcome {
        let target = path.of.at(to);
        match (self.shown(path)?.is_some(), self.shown(&target)?.is_some()) {
            (true, false) => {
                for (name, _) in &mut self.image_mut(&path.of)?.snapshots {
                    if *name == path.snapshot {
                        *name = to.clone();
                    }
                }
                self.follow(|parent| if parent == path { target.clone() } else { parent.clone() });
                Ok(())
            }
            (true, true) if *to != path.snapshot => Err(Refusal::exists(target)),
            (_, true) => Ok(()),
            (false, false) => Err(Refusal::absent(format!("snapshot {path}"))),
        }
    }

    pub(super) fn remove_snapshot(&mut self, path: &SnapshotPath) -> Outcome {
        let images = self.pools.iter().flat_map(|(pool, (_, members))| {
            members.images.iter().map(move |(name, image)| (pool, name, image))
        });
        let clones: Vec<_> = images
            .filter(|(_, _, image)| image.clone_of.as_ref() == Some(path))
            .map(|(pool, name, _)| format!("{pool}/{name}"))
            .collect();
        if !clones.is_empty() {
            return Err(Refusal::cloned(path, &clones.join(", ")));
        }
        self.image_mut(&path.of)?.snapshots.retain(|(name, _)| *name != path.snapshot);
        Ok(())
    }

    pub(super) fn roll_back(&mut self, path: &SnapshotPath) -> Outcome {
        let content = self.demand(path)?;
        self.idle(&path.of)?;
        self.image_mut(&path.of)?.now = content;
        Ok(())
    }

    pub(super) fn clone_volume(&mut self, path: &SnapshotPath, to: &VolumePath) -> Outcome {
        let content = self.demand(path)?;
        if self.is_there(to)? {
            let alike = self.image(to)?.clone_of.as_ref() == Some(path);
            return if alike { Ok(()) } else { Err(Refusal::exists(to)) };
        }
        self.room(&to.pool)?;
        self.insert(to, content, Some(path.clone()))
    }
}
