//! What is measured of a Ceph cluster: a few commands to the monitors, joined by number and never by place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{OsdEntry, part};
use super::{Ceph, Outcome, Session};
use crate::storage::{ClusterFigures, Error, Figures, Health, Osd, OsdFigures, Page, PoolFigures, Tally};

mod activity;

#[derive(Deserialize)]
struct Status {
    health: StatusHealth,
    osdmap: StatusOsds,
    pgmap: StatusGroups,
}

#[derive(Deserialize)]
struct StatusHealth {
    status: Health,
    #[serde(default)]
    checks: BTreeMap<String, Check>,
}

#[derive(Deserialize)]
struct Check {
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    message: String,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are Ceph's")]
struct StatusOsds {
    num_osds: u32,
    num_up_osds: u32,
    num_in_osds: u32,
}

#[derive(Deserialize)]
struct StatusGroups {
    #[serde(default)]
    pgs_by_state: Vec<GroupState>,
    #[serde(default)]
    num_pgs: u32,
    #[serde(default)]
    bytes_avail: u64,
    #[serde(default)]
    bytes_total: u64,
}

#[derive(Deserialize)]
struct GroupState {
    state_name: String,
    count: u32,
}

/// `df`.
#[derive(Deserialize)]
struct Df {
    pools: Vec<DfPool>,
}

#[derive(Deserialize)]
struct DfPool {
    id: i64,
    name: String,
    stats: DfStats,
}

#[derive(Deserialize)]
struct DfStats {
    #[serde(default)]
    stored: u64,
    #[serde(default)]
    objects: u64,
    #[serde(default)]
    bytes_used: u64,
    #[serde(default)]
    percent_used: f64,
    #[serde(default)]
    max_avail: u64,
}

/// `pg dump` of the pools.
#[derive(Default, Deserialize)]
struct Pools {
    #[serde(default)]
    pool_stats: Vec<PoolCounts>,
}

#[derive(Deserialize)]
struct PoolCounts {
    poolid: i64,
    stat_sum: Counts,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are Ceph's")]
struct Counts {
    num_object_clones: u64,
    num_object_copies: u64,
    num_objects_missing_on_primary: u64,
    num_objects_unfound: u64,
    num_objects_degraded: u64,
    num_read: u64,
    num_read_kb: u64,
    num_write: u64,
    num_write_kb: u64,
}

/// `osd df`.
#[derive(Deserialize)]
struct OsdDf {
    nodes: Vec<OsdUse>,
}

#[derive(Deserialize)]
struct OsdUse {
    id: i32,
    crush_weight: f64,
    reweight: f64,
    kb: u64,
    kb_used: u64,
    #[serde(default)]
    kb_used_data: u64,
    #[serde(default)]
    kb_used_omap: u64,
    #[serde(default)]
    kb_used_meta: u64,
    kb_avail: u64,
    utilization: f64,
    var: f64,
    pgs: u32,
}

/// `osd tree`.
#[derive(Deserialize)]
struct Tree {
    nodes: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    id: i32,
    name: String,
    r#type: String,
    #[serde(default)]
    device_class: String,
    #[serde(default)]
    children: Vec<i32>,
}

/// `osd perf`.
#[derive(Deserialize)]
struct Perf {
    osdstats: PerfStats,
}

#[derive(Deserialize)]
struct PerfStats {
    osd_perf_infos: Vec<PerfEntry>,
}

#[derive(Deserialize)]
struct PerfEntry {
    id: i32,
    perf_stats: Latency,
}

#[derive(Deserialize)]
struct Latency {
    commit_latency_ms: u64,
}

fn tally(counts: &Counts) -> Tally {
    Tally {
        clone_count: counts.num_object_clones,
        copy_count: counts.num_object_copies,
        missing_count: counts.num_objects_missing_on_primary,
        unfound_count: counts.num_objects_unfound,
        read_count: counts.num_read,
        read_bytes: counts.num_read_kb << 10,
        write_count: counts.num_write,
        write_bytes: counts.num_write_kb << 10,
    }
}

/// The figures of all pools, by name. The two lists have orders of their own, and a pool that was just made may be in one
/// of them alone: what belongs together is found by the pool's number.
fn joined(df: Df, counted: &Pools) -> Vec<PoolFigures> {
    let none = Counts::default();
    let figures = |pool: DfPool| {
        let counted = counted.pool_stats.iter().find(|counted| counted.poolid == pool.id);
        let counts = counted.map_or(&none, |counted| &counted.stat_sum);
        Some(PoolFigures {
            name: pool.name.parse().ok()?,
            id: pool.id,
            stored_bytes: pool.stats.stored,
            used_bytes: pool.stats.bytes_used,
            free_bytes: pool.stats.max_avail,
            used_part: pool.stats.percent_used,
            object_count: pool.stats.objects,
            object_degraded_count: counts.num_objects_degraded,
            tally: tally(counts),
        })
    };
    let mut pools: Vec<_> = df.pools.into_iter().filter_map(figures).collect();
    pools.sort_by(|one, other| one.name.cmp(&other.name));
    pools
}

impl Session {
    fn command(&self, prefix: &str) -> Outcome<Value> {
        self.ask(json!({"prefix": prefix}))
    }

    fn cluster_figures(&self) -> Outcome<ClusterFigures> {
        let status: Status = part(self.command("status")?)?;
        let Status { health, osdmap, pgmap } = status;
        let clean = pgmap.pgs_by_state.iter().filter(|group| group.state_name.starts_with("active+clean"));
        Ok(ClusterFigures {
            health: health.status,
            checks: health.checks.into_iter().map(|(code, check)| (code, check.summary.message)).collect(),
            osd_count: osdmap.num_osds,
            osd_up_count: osdmap.num_up_osds,
            osd_in_count: osdmap.num_in_osds,
            placement_group_count: pgmap.num_pgs,
            placement_group_clean_count: clean.map(|group| group.count).sum(),
            total_bytes: pgmap.bytes_total,
            free_bytes: pgmap.bytes_avail,
        })
    }

    fn pool_figures(&self) -> Outcome<Vec<PoolFigures>> {
        let df: Df = part(self.command("df")?)?;
        let pools: Pools = part(self.ask(json!({"prefix": "pg dump", "dumpcontents": ["pools"]}))?)?;
        Ok(joined(df, &pools))
    }

    fn osds(&self) -> Outcome<Vec<Osd>> {
        let map = self.map()?;
        let df: OsdDf = part(self.command("osd df")?)?;
        let tree: Tree = part(self.command("osd tree")?)?;
        let perf: Perf = part(self.command("osd perf")?)?;
        // It is a module of the manager's that tells these, and it may be missing.
        let told = self.cluster.ask_monitor(&json!({"prefix": "osd status", "format": "plain"}));
        let rates = told.map(|told| activity::rates(&String::from_utf8_lossy(&told))).unwrap_or_default();
        let osd = |entry: OsdEntry| {
            let id = entry.osd;
            let used = df.nodes.iter().find(|used| used.id == id);
            let latency = perf.osdstats.osd_perf_infos.iter().find(|perf| perf.id == id);
            let branch = tree.nodes.iter().find(|branch| branch.id == id);
            let host = tree.nodes.iter().find(|host| host.r#type == "host" && host.children.contains(&id));
            let figures = used.map_or(OsdFigures::default(), |used| OsdFigures {
                weight: used.crush_weight,
                reweight: used.reweight,
                total_bytes: used.kb << 10,
                used_bytes: used.kb_used << 10,
                data_bytes: used.kb_used_data << 10,
                keys_bytes: used.kb_used_omap << 10,
                own_bytes: used.kb_used_meta << 10,
                free_bytes: used.kb_avail << 10,
                utilization_percent: used.utilization,
                variance: used.var,
                placement_group_count: used.pgs,
                commit_latency_ms: latency.map_or(0, |perf| perf.perf_stats.commit_latency_ms),
                rates: rates.get(&id).copied().unwrap_or_default(),
            });
            let address = entry.addresses().next().map(|address| address.to_string()).unwrap_or_default();
            Osd {
                id,
                up: entry.up == 1,
                r#in: entry.r#in == 1,
                address,
                class: branch.map(|branch| branch.device_class.clone()).unwrap_or_default(),
                host: host.map(|host| host.name.clone()).unwrap_or_default(),
                uuid: entry.uuid,
                figures,
            }
        };
        let mut osds: Vec<_> = map.osds.into_iter().map(osd).collect();
        osds.sort_by_key(|osd| osd.id);
        Ok(osds)
    }
}

impl Figures for Ceph {
    fn cluster(&self) -> Result<ClusterFigures, Error> {
        self.look("tell its status", Session::cluster_figures)
    }

    fn pool_figures(&self) -> Result<Vec<PoolFigures>, Error> {
        self.look("tell the figures of its pools", Session::pool_figures)
    }

    fn osds(&self) -> Result<Vec<Osd>, Error> {
        self.look("list the OSDs", Session::osds)
    }

    fn page(&self, page: Page) -> Result<String, Error> {
        let prefix = match page {
            Page::Status => "status",
            Page::Utilization => "df",
        };
        self.look("tell its status", move |session| {
            let answer = session.cluster.ask_monitor(&json!({"prefix": prefix, "format": "plain"}))?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_pool_are_read_by_its_number() {
        let text = r#"{"pg_ready":true,"pool_stats":[{"poolid":2,"stat_sum":{"num_object_clones":3,
            "num_object_copies":12,"num_read":5,"num_read_kb":2,"num_write":7,"num_write_kb":4,"num_bytes":1}}]}"#;
        let pools: Pools = serde_json::from_str(text).unwrap();
        let tally = tally(&pools.pool_stats[0].stat_sum);
        assert_eq!((pools.pool_stats[0].poolid, tally.clone_count, tally.copy_count), (2, 3, 12));
        assert_eq!(
            (tally.read_count, tally.read_bytes, tally.write_count, tally.write_bytes),
            (5, 2048, 7, 4096)
        );
    }

    #[test]
    fn the_figures_of_a_pool_are_its_own_whatever_the_order_of_the_lists() {
        let df = r#"{"pools":[
            {"name":"vms","id":2,"stats":{"stored":20,"objects":2,"bytes_used":60,"percent_used":0.2,"max_avail":80}},
            {"name":"fresh","id":9,"stats":{"stored":90,"objects":9,"max_avail":910}},
            {"name":"fast","id":3,"stats":{"stored":30,"objects":3,"max_avail":70}}]}"#;
        let counted = |id: i64| {
            format!(
                r#"{{"poolid":{id},"stat_sum":{{"num_read":{id}1,"num_write":{id}2,"num_objects_degraded":{id}3}}}}"#
            )
        };
        // Pool 9 is not counted yet, and pool 1 has been removed.
        for order in [[3, 2, 1], [1, 2, 3], [2, 1, 3]] {
            let counts = order.map(counted).join(",");
            let pools: Pools = serde_json::from_str(&format!(r#"{{"pool_stats":[{counts}]}}"#)).unwrap();
            let figures = joined(serde_json::from_str(df).unwrap(), &pools);
            let shown: Vec<_> = figures
                .iter()
                .map(|pool| {
                    let Tally { read_count, write_count, .. } = pool.tally;
                    let own = (pool.stored_bytes, pool.free_bytes, pool.object_count);
                    (pool.name.as_str(), pool.id, own, (read_count, write_count, pool.object_degraded_count))
                })
                .collect();
            assert_eq!(
                shown,
                [
                    ("fast", 3, (30, 70, 3), (31, 32, 33)),
                    ("fresh", 9, (90, 910, 9), (0, 0, 0)),
                    ("vms", 2, (20, 80, 2), (21, 22, 23)),
                ],
                "{order:?}"
            );
        }
    }

    #[test]
    fn what_an_osd_uses_is_told_in_parts() {
        let text = r#"{"id":0,"crush_weight":1,"reweight":1,"kb":4194304,"kb_used":17848,"kb_used_data":112,
            "kb_used_omap":8,"kb_used_meta":17728,"kb_avail":4176456,"utilization":0.4,"var":1,"pgs":17}"#;
        let used: OsdUse = serde_json::from_str(text).unwrap();
        assert_eq!((used.kb_used_data, used.kb_used_omap, used.kb_used_meta), (112, 8, 17728));
    }
}
