//! Snapshots in Ceph, and the clones of them. That a snapshot has clones is looked up: with the newer format of clones
//! Ceph itself would let it go.

use logic::id::SnapshotName;
use logic::storage::{SnapshotPath, VolumePath};

use super::image::{Image, SeenSnapshot};
use super::{Ceph, Outcome, Session};
use crate::storage::error::Refusal;
use crate::storage::{Error, Snapshot, Snapshots};

fn has(image: &Image, name: &SnapshotName) -> Outcome<bool> {
    Ok(image.snapshots()?.iter().any(|seen| seen.name == name.as_str()))
}

impl Session {
    fn take(&self, path: &SnapshotPath) -> Outcome {
        if has(&self.demand(&path.of)?, &path.snapshot)? {
            return Ok(());
        }
        match self.changed(&path.of)?.take(path.snapshot.as_str()) {
            Err(failure) if failure.code != libc::EEXIST => Err(failure.into()),
            _ => Ok(()),
        }
    }

    fn rename_snapshot(&self, path: &SnapshotPath, to: &SnapshotName) -> Outcome {
        let image = self.demand(&path.of)?;
        match (has(&image, &path.snapshot)?, has(&image, to)?) {
            (true, false) => {
                Ok(self.changed(&path.of)?.rename_snapshot(path.snapshot.as_str(), to.as_str())?)
            }
            (true, true) if *to != path.snapshot => Err(Refusal::exists(path.of.at(to)).into()),
            (_, true) => Ok(()),
            (false, false) => Err(Refusal::absent(format!("snapshot {path}")).into()),
        }
    }

    fn remove_snapshot(&self, path: &SnapshotPath) -> Outcome {
        let pool = self.pool(&path.of.pool)?;
        let name = path.snapshot.as_str();
        let shown = match pool.look(path.of.volume.as_str(), Some(name)) {
            Ok(shown) => shown,
            Err(failure) if failure.code == libc::ENOENT => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        let clones = shown.clones()?;
        if !clones.is_empty() {
            return Err(Refusal::cloned(path, &clones.join(", ")).into());
        }
        drop(shown);
        match self.changed(&path.of)?.remove_snapshot(name) {
            Err(failure) if failure.code != libc::ENOENT => Err(failure.into()),
            _ => Ok(()),
        }
    }

    fn roll_back(&self, path: &SnapshotPath) -> Outcome {
        let image = self.demand(&path.of)?;
        if !has(&image, &path.snapshot)? {
            return Err(Refusal::absent(format!("snapshot {path}")).into());
        }
        Self::idle(&path.of, &image)?;
        drop(image);
        Ok(self.changed(&path.of)?.roll_back(path.snapshot.as_str())?)
    }

    fn clone_volume(&self, path: &SnapshotPath, to: &VolumePath) -> Outcome {
        if !has(&self.demand(&path.of)?, &path.snapshot)? {
            return Err(Refusal::absent(format!("snapshot {path}")).into());
        }
        let (from, into) = (self.pool(&path.of.pool)?, self.pool(&to.pool)?);
        let (volume, snapshot) = (path.of.volume.as_str(), path.snapshot.as_str());
        match from.clone_to(volume, snapshot, &into, to.volume.as_str()) {
            Err(failure) if failure.code == libc::EEXIST => {
                let parent = self.demand(to)?.parent()?;
                let wanted = (path.of.pool.to_string(), volume.to_owned(), snapshot.to_owned());
                if parent == Some(wanted) { Ok(()) } else { Err(Refusal::exists(to).into()) }
            }
            outcome => Ok(outcome?),
        }
    }
}

impl Snapshots for Ceph {
    fn snapshots(&self, volume: &VolumePath) -> Result<Vec<Snapshot>, Error> {
        let path = volume.clone();
        self.look(&format!("list the snapshots of {volume}"), move |session| {
            let seen = |seen: SeenSnapshot| {
                Some(Snapshot { name: seen.name.parse().ok()?, size_bytes: seen.size_bytes })
            };
            Ok(session.demand(&path)?.snapshots()?.into_iter().filter_map(seen).collect())
        })
    }

    fn take(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        self.change(&format!("take {snapshot}"), &snapshot.of, move |session, _| session.take(&path))
    }

    fn rename_snapshot(&self, snapshot: &SnapshotPath, to: &SnapshotName) -> Result<(), Error> {
        let (path, new) = (snapshot.clone(), to.clone());
        let what = format!("rename {snapshot} to {to}");
        self.change(&what, &snapshot.of, move |session, _| session.rename_snapshot(&path, &new))
    }

    fn remove_snapshot(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        let what = format!("remove {snapshot}");
        self.change(&what, &snapshot.of, move |session, _| session.remove_snapshot(&path))
    }

    fn roll_back(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        let what = format!("roll back to {snapshot}");
        self.change(&what, &snapshot.of, move |session, _| session.roll_back(&path))
    }

    fn clone_volume(&self, snapshot: &SnapshotPath, to: &VolumePath) -> Result<(), Error> {
        let path = snapshot.clone();
        let what = format!("clone {snapshot} as {to}");
        self.change(&what, to, move |session, to| session.clone_volume(&path, to))
    }
}
