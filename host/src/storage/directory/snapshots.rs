//! Snapshots in a directory: inside the volume's own file, under names that can be written over.

use logic::id::SnapshotName;
use logic::storage::{SnapshotPath, VolumePath};

use super::image::{Image, filled_up};
use super::{Desk, Directory, Outcome, words};
use crate::storage::error::Refusal;
use crate::storage::{Cause, Error, Format, Snapshot, Snapshots};

impl Desk {
    /// A volume that nobody has open, and the name of one of its snapshots as it is in the file.
    fn at_rest(&self, path: &SnapshotPath) -> Outcome<(Image, Option<String>)> {
        let image = self.demand(&path.of)?;
        Self::idle(&path.of, &image)?;
        let name = image.name_of(&path.snapshot).map(ToOwned::to_owned);
        Ok((image, name))
    }

    fn take(&self, path: &SnapshotPath) -> Outcome {
        let image = self.demand(&path.of)?;
        if image.name_of(&path.snapshot).is_some() {
            return Ok(());
        }
        if image.format != Format::Qcow2 {
            let why = format!("{} is kept as raw bytes, which has no room for snapshots", path.of);
            let remedy = "copy it with \"pvc storage volume clone\": the copy has";
            return Err(Refusal::new(Cause::Unfit, why, remedy).into());
        }
        Self::idle(&path.of, &image)?;
        let name = filled_up(&path.snapshot);
        self.qemu_img(&["snapshot", "-q", "-c", &name, words(&image.path)])?;
        Ok(std::fs::File::open(&image.path)?.sync_all()?)
    }

    fn rename_snapshot(&self, path: &SnapshotPath, to: &SnapshotName) -> Outcome {
        let image = self.demand(&path.of)?;
        let target = path.of.at(to);
        match (image.name_of(&path.snapshot).is_some(), image.name_of(to).is_some()) {
            (true, false) => {
                Self::idle(&path.of, &image)?;
                if !image.rename(&path.snapshot, to)? {
                    let why = format!("{path} was not taken by PVC, and its name has no room for another");
                    return Err(Refusal::new(Cause::Unfit, why, "take one of the new name").into());
                }
                self.follow(&path.of.pool, |of| {
                    if of == path {
                        *of = target.clone();
                    }
                })
            }
            (true, true) if *to != path.snapshot => Err(Refusal::exists(target).into()),
            (_, true) => Ok(()),
            (false, false) => Err(Refusal::absent(format!("snapshot {path}")).into()),
        }
    }

    fn remove_snapshot(&self, path: &SnapshotPath) -> Outcome {
        if self.seen(&path.of)?.is_none_or(|image| image.name_of(&path.snapshot).is_none()) {
            return Ok(());
        }
        let clones = self.clones(path)?;
        if !clones.is_empty() {
            return Err(Refusal::cloned(path, &clones.join(", ")).into());
        }
        let (image, name) = self.at_rest(path)?;
        self.forget(path)?;
        if let Some(name) = name {
            self.qemu_img(&["snapshot", "-q", "-d", &name, words(&image.path)])?;
        }
        Ok(())
    }

    fn roll_back(&self, path: &SnapshotPath) -> Outcome {
        let (image, name) = self.at_rest(path)?;
        let name = name.ok_or_else(|| Refusal::absent(format!("snapshot {path}")))?;
        self.qemu_img(&["snapshot", "-q", "-a", &name, words(&image.path)])?;
        Ok(std::fs::File::open(&image.path)?.sync_all()?)
    }
}

impl Snapshots for Directory {
    fn snapshots(&self, volume: &VolumePath) -> Result<Vec<Snapshot>, Error> {
        let path = volume.clone();
        let what = format!("list the snapshots of {volume}");
        self.look(&what, move |desk| Ok(desk.demand(&path)?.snapshots()))
    }

    fn take(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        self.change(&format!("take {snapshot}"), move |desk| desk.take(&path))
    }

    fn rename_snapshot(&self, snapshot: &SnapshotPath, to: &SnapshotName) -> Result<(), Error> {
        let (path, new) = (snapshot.clone(), to.clone());
        let what = format!("rename {snapshot} to {to}");
        self.change(&what, move |desk| desk.rename_snapshot(&path, &new))
    }

    fn remove_snapshot(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        self.change(&format!("remove {snapshot}"), move |desk| desk.remove_snapshot(&path))
    }

    fn roll_back(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        let path = snapshot.clone();
        self.change(&format!("roll back to {snapshot}"), move |desk| desk.roll_back(&path))
    }

    fn clone_volume(&self, snapshot: &SnapshotPath, to: &VolumePath) -> Result<(), Error> {
        let (path, target) = (snapshot.clone(), to.clone());
        let what = format!("clone {snapshot} as {to}");
        self.change(&what, move |desk| desk.clone_volume(&path, &target))
    }
}
