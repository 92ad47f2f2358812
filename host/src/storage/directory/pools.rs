//! Pools in a directory: folders with a mark.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use logic::id::{PoolName, VolumeName};
use logic::storage::{Replication, Tier};

use super::{Desk, Directory, Outcome, remove_file};
use crate::storage::error::Refusal;
use crate::storage::{Cause, Error, Pool, Pools};

/// A directory keeps what it has once.
const ONCE: Replication = Replication { copies: 1, copies_min: 1 };

impl Desk {
    /// The names in a folder, but for those that are not text.
    pub(super) fn names(folder: &std::path::Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn pool_names(&self) -> Outcome<Vec<PoolName>> {
        let names = Self::names(&self.root)?;
        let is_pool = |name: &PoolName| self.root.join(name.as_str()).join(".pool").exists();
        Ok(names.iter().filter_map(|name| name.parse().ok()).filter(is_pool).collect())
    }

    pub(super) fn volume_names(&self, pool: &PoolName) -> Outcome<Vec<VolumeName>> {
        let names = Self::names(&self.folder(pool)?)?;
        let bare = |name: &String| {
            let bare = name.strip_suffix(".qcow2").or_else(|| name.strip_suffix(".raw"))?;
            bare.parse().ok()
        };
        Ok(names.iter().filter_map(bare).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn ensure_pool(&self, pool: &Pool) -> Outcome {
        if pool.replication != ONCE {
            let why = "a directory keeps one copy of what it has";
            return Err(Refusal::new(Cause::Unfit, why, "give copies=1,mincopies=1").into());
        }
        let folder = self.root.join(pool.name.as_str());
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        let mark = folder.join(".pool");
        if !mark.exists() {
            fs::write(&mark, pool.tier.as_str())?;
            self.sync_folder(&mark)?;
            self.sync_folder(&folder)?;
        }
        Ok(())
    }

    fn remove_pool(&self, pool: &PoolName) -> Outcome {
        let folder = self.root.join(pool.as_str());
        if !folder.join(".pool").exists() {
            return Ok(());
        }
        let count = self.volume_names(pool)?.len();
        if count > 0 {
            return Err(Refusal::has_volumes(pool, count).into());
        }
        self.sweep(pool)?;
        // Without volumes there are no snapshots, and without these no clones: what clones needed is needed no more.
        match fs::remove_dir_all(folder.join(".base")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        remove_file(&folder.join(".pool"))?;
        fs::remove_dir(&folder)?;
        self.sync_folder(&folder)
    }
}

fn tier(mark: &str) -> Tier {
    let tiers = [Tier::Hdd, Tier::Ssd, Tier::Nvme];
    tiers.into_iter().find(|tier| tier.as_str() == mark.trim()).unwrap_or_default()
}

impl Pools for Directory {
    fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.look("list the pools", |desk| {
            let seen = |name: PoolName| {
                let mark = fs::read_to_string(desk.root.join(name.as_str()).join(".pool"));
                let tier = tier(&mark.unwrap_or_default());
                Pool { name, replication: ONCE, tier, placement_group_count: 0 }
            };
            Ok(desk.pool_names()?.into_iter().map(seen).collect())
        })
    }

    fn ensure_pool(&self, pool: &Pool) -> Result<(), Error> {
        let wanted = pool.clone();
        self.change(&format!("make the pool {}", pool.name), move |desk| desk.ensure_pool(&wanted))
    }

    fn set_placement_groups(&self, pool: &PoolName, count: u32) -> Result<(), Error> {
        let pool = pool.clone();
        self.look(&format!("give {pool} {count} placement groups"), move |desk| desk.folder(&pool).map(drop))
    }

    fn remove_pool(&self, pool: &PoolName) -> Result<(), Error> {
        let pool = pool.clone();
        self.change(&format!("remove the pool {pool}"), move |desk| desk.remove_pool(&pool))
    }
}
