//! Trials on files: on raw ones, past the kernel's cache where the file system has such a way.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use logic::storage::VolumePath;
use logic::storage::benchmark::figures::Way;

use super::{Desk, Directory, Outcome, Takes, remove_file};
use crate::storage::error::Refusal;
use crate::storage::trial::fio::{self, Target};
use crate::storage::trial::{Exercise, TrialFigures, Trials, what};
use crate::storage::{Cause, Error, Format, Location, Volumes as _, Watch};

impl Desk {
    fn create_plain(&self, volume: &VolumePath, size_bytes: u64) -> Outcome {
        let folder = self.folder(&volume.pool)?;
        if size_bytes == 0 {
            return Err(Refusal::empty().into());
        }
        if let Some(there) = self.seen(volume)? {
            return match there.size_bytes == size_bytes && there.format == Format::Raw {
                true => Ok(()),
                false => Err(Refusal::exists(format!("{volume} of another size or kind")).into()),
            };
        }
        let made = folder.join(format!(".make.{}", volume.volume));
        remove_file(&made)?;
        std::fs::File::create_new(&made)?.set_len(size_bytes)?;
        self.settle(&made, &folder.join(format!("{}.raw", volume.volume)), Takes::Free)
    }
}

/// How a file is reached: some file systems have no way past the cache.
fn way(path: &Path) -> Way {
    let mut options = std::fs::File::options();
    let opened = options.read(true).write(true).custom_flags(nix::libc::O_DIRECT).open(path);
    if opened.is_ok() { Way::Direct } else { Way::Cached }
}

fn target(path: &Path) -> Option<Target> {
    let way = way(path);
    // fio takes a colon for the end of a file's name.
    let name = path.to_str()?.replace('\\', "\\\\").replace(':', "\\:");
    let words = [
        "--ioengine=libaio".to_owned(),
        format!("--direct={}", if way == Way::Direct { 1 } else { 0 }),
        format!("--filename={name}"),
        "--allow_file_create=0".into(),
        "--fallocate=none".into(),
    ];
    Some(Target { words: words.into(), environment: Vec::new(), way })
}

impl Trials for Directory {
    fn create_plain(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let path = volume.clone();
        self.change(&format!("make {volume}"), move |desk| desk.create_plain(&path, size_bytes))
    }

    fn run_trial(&self, exercise: &Exercise, watch: &dyn Watch) -> Result<TrialFigures, Error> {
        let there = self.volume(&exercise.volume)?;
        fio::check(exercise, there.as_ref())?;
        let target = match there.map(|volume| volume.location) {
            // The bytes of another format are not those of the volume: to write to them would destroy it.
            Some(Location::File { path, format: Format::Raw }) => target(&path),
            _ => None,
        };
        match target {
            Some(target) => fio::run(exercise, &target, watch),
            None => {
                let why = format!("the bytes of {} do not lie in its file as they are", exercise.volume);
                let refusal = Refusal::new(Cause::Unfit, why, "measure a volume that was made for that");
                Err(Error::refused(&what(exercise), refusal))
            }
        }
    }
}
