//! Pools in Ceph: made in steps that can be repeated, and removed only when they are empty.

use std::time::Duration;

use logic::id::PoolName;
use logic::storage::{Replication, Tier};
use serde_json::{Value, json};

use super::answers::{Map, PoolEntry, Rule, part};
use super::transfers::is_staging;
use super::{Ceph, Outcome, Session, Trouble};
use crate::storage::error::Refusal;
use crate::storage::{Cause, Error, Pool, Pools};

/// What marks a pool as one of volumes.
const APPLICATION: &str = "rbd";

/// How often a command is tried again that a setting of the monitors' forbade until just now, and how soon.
const TRIES: (u32, Duration) = (50, Duration::from_millis(100));

/// The name of the placement rule of a tier.
fn rule_name(tier: Tier) -> String {
    match tier {
        Tier::Default => "replicated_rule".into(),
        tier => format!("{}_tier", tier.as_str()),
    }
}

fn tier_of(rule: &str) -> Tier {
    let tiers = [Tier::Hdd, Tier::Ssd, Tier::Nvme];
    tiers.into_iter().find(|tier| rule_name(*tier) == rule).unwrap_or_default()
}

/// Whether volumes are kept in a pool, and not somebody else's objects.
fn is_of_volumes(pool: &PoolEntry) -> bool {
    pool.application_metadata.contains_key(APPLICATION)
}

impl Session {
    pub(super) fn map(&self) -> Outcome<Map> {
        Ok(part(self.ask(json!({"prefix": "osd dump"}))?)?)
    }

    fn rules(&self) -> Outcome<Vec<Rule>> {
        Ok(part(self.ask(json!({"prefix": "osd crush rule dump"}))?)?)
    }

    fn set_of_pool(&self, pool: &PoolName, variable: &str, value: &str) -> Outcome {
        let set = json!({"prefix": "osd pool set", "pool": pool.as_str(), "var": variable, "val": value});
        self.tell(&set)
    }

    /// Does what the monitors forbid unless a setting allows it; the setting is there for no longer than that.
    fn allowed(&self, setting: &str, command: &Value) -> Outcome {
        match self.tell(command) {
            Err(Trouble::Failed(failure)) if failure.code == libc::EPERM => {}
            outcome => return outcome,
        }
        self.tell(&json!({"prefix": "config set", "who": "mon", "name": setting, "value": "true"}))?;
        let mut outcome = self.tell(command);
        for _ in 0..TRIES.0 {
            match &outcome {
                // The monitors have not heard of the setting yet.
                Err(Trouble::Failed(failure)) if failure.code == libc::EPERM => std::thread::sleep(TRIES.1),
                _ => break,
            }
            outcome = self.tell(command);
        }
        self.tell(&json!({"prefix": "config rm", "who": "mon", "name": setting}))?;
        outcome
    }

    fn ensure_rule(&self, tier: Tier) -> Outcome<String> {
        let name = rule_name(tier);
        if tier != Tier::Default {
            self.tell(&json!({
                "prefix": "osd crush rule create-replicated",
                "name": name, "root": "default", "type": "host", "class": tier.as_str(),
            }))?;
        }
        Ok(name)
    }

    fn ensure_pool(&self, pool: &Pool) -> Outcome {
        let Replication { copies, copies_min } = pool.replication;
        if copies == 0 || copies_min == 0 || copies_min > copies {
            let why = format!("{copies} copies, {copies_min} of them needed, cannot be");
            return Err(Refusal::new(Cause::Unfit, why, "give such as copies=3,mincopies=2").into());
        }
        let name = pool.name.as_str();
        match self.map()?.pool(name) {
            // One without an application was left half made.
            Some(there) if there.application_metadata.is_empty() => {}
            Some(there) if !is_of_volumes(there) => {
                return Err(Refusal::exists(format!("{name}, which is no pool of volumes,")).into());
            }
            Some(there) if there.size == copies && there.min_size == copies_min => return Ok(()),
            Some(there) => {
                let what = format!("{name} with {} copies, {} of them needed,", there.size, there.min_size);
                return Err(Refusal::exists(what).into());
            }
            None => {
                let rule = self.ensure_rule(pool.tier)?;
                let groups = pool.placement_group_count;
                self.tell(&json!({
                    "prefix": "osd pool create", "pool": name, "pool_type": "replicated",
                    "pg_num": groups, "pgp_num": groups, "rule": rule, "autoscale_mode": "off",
                }))?;
            }
        }
        if copies == 1 {
            let set = json!({
                "prefix": "osd pool set", "pool": name, "var": "size", "val": "1", "yes_i_really_mean_it": true,
            });
            self.allowed("mon_allow_pool_size_one", &set)?;
        } else {
            self.set_of_pool(&pool.name, "size", &copies.to_string())?;
        }
        self.set_of_pool(&pool.name, "min_size", &copies_min.to_string())?;
        self.tell(&json!({"prefix": "osd pool application enable", "pool": name, "app": APPLICATION}))?;
        Ok(self.cluster.catch_up()?)
    }

    fn remove_pool(&self, pool: &PoolName) -> Outcome {
        match self.map()?.pool(pool.as_str()) {
            Some(there) if is_of_volumes(there) => {}
            Some(_) => {
                let why = format!("{pool} is no pool of volumes");
                let remedy = "whoever made it knows how to remove it";
                return Err(Refusal::new(Cause::Unfit, why, remedy).into());
            }
            None => return Ok(()),
        }
        let count = self.pool(pool)?.images()?.iter().filter(|name| !is_staging(name)).count();
        if count > 0 {
            return Err(Refusal::has_volumes(pool, count).into());
        }
        let name = pool.as_str();
        let remove = json!({
            "prefix": "osd pool delete", "pool": name, "pool2": name, "yes_i_really_really_mean_it": true,
        });
        self.allowed("mon_allow_pool_delete", &remove)?;
        Ok(self.cluster.catch_up()?)
    }
}

impl Pools for Ceph {
    fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.look("list the pools", |session| {
            let (map, rules) = (session.map()?, session.rules()?);
            let rule_of = |pool: &PoolEntry| rules.iter().find(|rule| rule.id == pool.crush_rule);
            let ours = map.pools.iter().filter(|pool| is_of_volumes(pool));
            let seen = ours.filter_map(|pool| {
                Some(Pool {
                    name: pool.name.parse().ok()?,
                    replication: Replication { copies: pool.size, copies_min: pool.min_size },
                    tier: rule_of(pool).map(|rule| tier_of(&rule.name)).unwrap_or_default(),
                    placement_group_count: pool.pg_num_target.unwrap_or(pool.pg_num),
                })
            });
            let mut seen: Vec<_> = seen.collect();
            seen.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(seen)
        })
    }

    fn ensure_pool(&self, pool: &Pool) -> Result<(), Error> {
        let wanted = pool.clone();
        let what = format!("make the pool {}", pool.name);
        self.change_pool(&what, &pool.name, move |session, _| session.ensure_pool(&wanted))
    }

    fn set_placement_groups(&self, pool: &PoolName, count: u32) -> Result<(), Error> {
        let what = format!("give {pool} {count} placement groups");
        self.change_pool(&what, pool, move |session, pool| match session.map()?.pool(pool.as_str()) {
            Some(_) => session.set_of_pool(pool, "pg_num", &count.to_string()),
            None => Err(Refusal::no_pool(pool).into()),
        })
    }

    fn remove_pool(&self, pool: &PoolName) -> Result<(), Error> {
        self.change_pool(&format!("remove the pool {pool}"), pool, |session, pool| session.remove_pool(pool))
    }
}
