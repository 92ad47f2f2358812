//! Trials on images, through librbd: fio has the engine.

use logic::storage::VolumePath;
use logic::storage::benchmark::figures::Way;

use super::Ceph;
use crate::storage::trial::fio::{self, Target};
use crate::storage::trial::{Exercise, TrialFigures, Trials};
use crate::storage::{Error, Volumes as _, Watch};

impl Trials for Ceph {
    fn create_plain(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        self.create(volume, size_bytes)
    }

    fn run_trial(&self, exercise: &Exercise, watch: &dyn Watch) -> Result<TrialFigures, Error> {
        let there = self.volume(&exercise.volume)?;
        fio::check(exercise, there.as_ref())?;
        let settings = &self.inner.settings;
        let user = settings.user.strip_prefix("client.").unwrap_or(&settings.user);
        let target = Target {
            words: vec![
                "--ioengine=rbd".into(),
                format!("--clientname={user}"),
                format!("--pool={}", exercise.volume.pool),
                format!("--rbdname={}", exercise.volume.volume),
            ],
            // fio reads the file that librados does by itself, and knows no other word for it.
            environment: vec![format!("CEPH_CONF={}", settings.file)],
            way: Way::Client,
        };
        fio::run(exercise, &target, watch)
    }
}
