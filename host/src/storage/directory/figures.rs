//! What is measured of a directory: its file system, and the files of each pool.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{Desk, Directory, Outcome};
use crate::storage::{ClusterFigures, Error, Figures, Health, Osd, Page, PoolFigures, Tally};

/// What a file system may be filled to before it is warned of, and before it is an error, in percent. Ceph's own.
const FULL_PERCENT: (u64, u64) = (85, 95);

/// What the files in a folder, and in those inside, take.
fn taken_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut taken = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while the folder is read.
        let Ok(about) = entry.metadata() else { continue };
        taken += if about.is_dir() { taken_bytes(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(taken)
}

impl Desk {
    /// What the file system holds, and what of it is free for us.
    fn space(&self) -> Outcome<(u64, u64)> {
        let seen = statvfs(&*self.root)?;
        let unit = seen.fragment_size();
        Ok((seen.blocks() * unit, seen.blocks_available() * unit))
    }

    fn cluster_figures(&self) -> Outcome<ClusterFigures> {
        let (total_bytes, free_bytes) = self.space()?;
        let used_percent = (total_bytes - free_bytes.min(total_bytes)) * 100 / total_bytes.max(1);
        let health = match used_percent {
            percent if percent >= FULL_PERCENT.1 => Health::Err,
            percent if percent >= FULL_PERCENT.0 => Health::Warn,
            _ => Health::Ok,
        };
        let full = || ("DIRECTORY_FULL".to_owned(), format!("the file system is {used_percent} % full"));
        Ok(ClusterFigures {
            health,
            checks: (health != Health::Ok).then(full).into_iter().collect(),
            osd_count: 0,
            osd_up_count: 0,
            osd_in_count: 0,
            placement_group_count: 0,
            placement_group_clean_count: 0,
            total_bytes,
            free_bytes,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of the whole need not be exact")]
    fn pool_figures(&self) -> Outcome<Vec<PoolFigures>> {
        let (_, free_bytes) = self.space()?;
        let mut figures = Vec::new();
        for (id, name) in (1..).zip(self.pool_names()?) {
            let stored_bytes = taken_bytes(&self.folder(&name)?)?;
            let object_count = self.volume_names(&name)?.len() as u64;
            figures.push(PoolFigures {
                name,
                id,
                stored_bytes,
                used_bytes: stored_bytes,
                free_bytes,
                used_part: stored_bytes as f64 / (stored_bytes + free_bytes).max(1) as f64,
                object_count,
                object_degraded_count: 0,
                tally: Tally { copy_count: object_count, ..Tally::default() },
            });
        }
        Ok(figures)
    }

    fn page(&self, page: Page) -> Outcome<String> {
        let ClusterFigures { health, total_bytes, free_bytes, .. } = self.cluster_figures()?;
        let gib = |bytes: u64| bytes >> 30;
        let root = self.root.display();
        let mut text = match page {
            Page::Status => format!("directory: {root}\nhealth: {health:?}\n"),
            Page::Utilization => String::new(),
        };
        text += &format!("free: {} of {} GiB\n", gib(free_bytes), gib(total_bytes));
        for pool in self.pool_figures()? {
            text += &format!(
                "pool {}: {} GiB, {} volumes\n",
                pool.name,
                gib(pool.stored_bytes),
                pool.object_count
            );
        }
        Ok(text)
    }
}

impl Figures for Directory {
    fn cluster(&self) -> Result<ClusterFigures, Error> {
        self.look("tell its status", Desk::cluster_figures)
    }

    fn pool_figures(&self) -> Result<Vec<PoolFigures>, Error> {
        self.look("tell the figures of its pools", Desk::pool_figures)
    }

    fn osds(&self) -> Result<Vec<Osd>, Error> {
        Ok(Vec::new())
    }

    fn page(&self, page: Page) -> Result<String, Error> {
        self.look("tell its status", move |desk| desk.page(page))
    }
}
