//! What is measured of a Ceph cluster: a few commands to the monitors, joined by number and never by place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{OsdEntry, part};
use super::{Ceph, Outcome, Session};
use crate::storage::{ClusterFigures, Error, Figures, Health, Osd, OsdFigures, Page, PoolFigures, Rates};

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

/// `osd pool stats`: what is idle is left out.
#[derive(Deserialize)]
struct PoolActivity {
    pool_id: i64,
    #[serde(default)]
    client_io_rate: Activity,
    #[serde(default)]
    recovery: Recovery,
}

#[derive(Default, Deserialize)]
struct Activity {
    #[serde(default)]
    read_bytes_sec: u64,
    #[serde(default)]
    write_bytes_sec: u64,
    #[serde(default)]
    read_op_per_sec: u64,
    #[serde(default)]
    write_op_per_sec: u64,
}

#[derive(Default, Deserialize)]
struct Recovery {
    #[serde(default)]
    degraded_objects: u64,
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
        let activity: Vec<PoolActivity> = part(self.command("osd pool stats")?)?;
        let figures = |pool: DfPool| {
            let active = activity.iter().find(|active| active.pool_id == pool.id);
            let rates = active.map(|active| &active.client_io_rate).map_or(Rates::default(), |rate| Rates {
                read_count: rate.read_op_per_sec,
                read_bytes: rate.read_bytes_sec,
                write_count: rate.write_op_per_sec,
                write_bytes: rate.write_bytes_sec,
            });
            Some(PoolFigures {
                name: pool.name.parse().ok()?,
                id: pool.id,
                stored_bytes: pool.stats.stored,
                used_bytes: pool.stats.bytes_used,
                free_bytes: pool.stats.max_avail,
                used_part: pool.stats.percent_used,
                object_count: pool.stats.objects,
                object_degraded_count: active.map_or(0, |active| active.recovery.degraded_objects),
                rates,
            })
        };
        let mut pools: Vec<_> = df.pools.into_iter().filter_map(figures).collect();
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(pools)
    }

    fn osds(&self) -> Outcome<Vec<Osd>> {
        let map = self.map()?;
        let df: OsdDf = part(self.command("osd df")?)?;
        let tree: Tree = part(self.command("osd tree")?)?;
        let perf: Perf = part(self.command("osd perf")?)?;
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
                free_bytes: used.kb_avail << 10,
                utilization_percent: used.utilization,
                variance: used.var,
                placement_group_count: used.pgs,
                commit_latency_ms: latency.map_or(0, |perf| perf.perf_stats.commit_latency_ms),
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
    fn a_quiet_pool_tells_empty_objects() {
        let text =
            r#"[{"pool_name":"vms","pool_id":1,"recovery":{},"recovery_rate":{},"client_io_rate":{}}]"#;
        let quiet: Vec<PoolActivity> = serde_json::from_str(text).unwrap();
        assert_eq!((quiet[0].client_io_rate.read_bytes_sec, quiet[0].recovery.degraded_objects), (0, 0));
    }
}
