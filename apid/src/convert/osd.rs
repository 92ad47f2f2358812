//! OSDs as the API shows them: what is recorded of those that PVC has made, and what the storage tells of all.

use std::collections::BTreeSet;

use api::{OsdStats, OsdSummary};
use logic::cluster::Cluster;
use logic::storage::facts::is_old;
use logic::storage::figures::Osd as Measured;
use logic::storage::osd::OsdId;
use logic::storage::osd::record::{Osd as Recorded, OsdState};
use logic::storage::size;
use logic::time::WallTime;

use super::calendar;

/// What the storage told last of an OSD.
pub fn measured(cluster: &Cluster, id: OsdId) -> Option<&Measured> {
    cluster.osd_facts.as_ref()?.value.osds.get(&i32::try_from(id.0).ok()?)
}

/// The OSDs that are wanted, by number.
pub fn osds(cluster: &Cluster, now: WallTime, wanted: impl Fn(OsdId) -> bool) -> Vec<api::Osd> {
    let facts = cluster.osd_facts.as_ref().map(|facts| facts.value.osds.keys());
    let told = facts.into_iter().flatten().filter_map(|id| u32::try_from(*id).ok().map(OsdId));
    let all: BTreeSet<OsdId> = cluster.osds.keys().copied().chain(told).collect();
    let stale = staleness(cluster, now);
    let shown = |id: OsdId| {
        let recorded = cluster.osds.get(&id).map(|osd| &osd.value);
        osd(id, recorded, measured(cluster, id), stale.as_deref())
    };
    all.into_iter().filter(|id| wanted(*id)).map(shown).collect()
}

/// Why the figures of OSDs are old.
fn staleness(cluster: &Cluster, now: WallTime) -> Option<String> {
    let whole = cluster.storage_facts.as_ref().and_then(|facts| super::storage::staleness(&facts.value, now));
    let old = || {
        let at = cluster.osd_facts.as_ref()?.value.at;
        is_old(at, now).then(|| format!("measured at {}", calendar::shown(at)))
    };
    whole.or_else(old)
}

fn osd(id: OsdId, recorded: Option<&Recorded>, measured: Option<&Measured>, stale: Option<&str>) -> api::Osd {
    let uuid = || measured.map(|osd| osd.uuid.clone()).unwrap_or_default();
    let host = || measured.map(|osd| osd.host.clone()).unwrap_or_default();
    let unmeasured = measured.is_none().then_some("it has not been measured yet");
    api::Osd {
        id: id.to_string(),
        fsid: recorded.map_or_else(uuid, |osd| osd.uuid.to_string()),
        node: recorded.map_or_else(host, |osd| osd.node.to_string()),
        device: recorded.map(|osd| osd.device.clone()).unwrap_or_default(),
        is_split: recorded.is_some_and(|osd| osd.is_split),
        db_device: recorded.and_then(|osd| osd.db_device.clone()).unwrap_or_default(),
        stats: measured.map(stats).unwrap_or_default(),
        state: recorded.and_then(|osd| state(&osd.state)),
        task: recorded.and_then(|osd| osd.task).map(|task| task.to_string()),
        stale: stale.or(unmeasured).map(str::to_owned),
    }
}

fn state(state: &OsdState) -> Option<String> {
    Some(match state {
        OsdState::Ready => return None,
        OsdState::Marking => "marking".into(),
        OsdState::Replacing => "replacing".into(),
        OsdState::Refreshing => "refreshing".into(),
        OsdState::Removing => "removing".into(),
        OsdState::Destroyed { why } => format!("destroyed: {why}"),
    })
}

fn stats(osd: &Measured) -> OsdStats {
    let figures = &osd.figures;
    let state = if osd.up { "exists,up" } else { "exists" };
    OsdStats {
        uuid: osd.uuid.clone(),
        up: osd.up.into(),
        in_: osd.r#in.into(),
        primary_affinity: 1.0,
        utilization: figures.utilization_percent,
        var: figures.variance,
        pgs: figures.placement_group_count.into(),
        kb: figures.total_bytes / 1024,
        kb_used: figures.used_bytes / 1024,
        kb_avail: figures.free_bytes / 1024,
        weight: figures.weight,
        reweight: figures.reweight,
        class: osd.class.clone(),
        node: osd.host.clone(),
        used: size::shown(figures.used_bytes),
        avail: size::shown(figures.free_bytes),
        state: state.into(),
        kb_used_data: figures.data_bytes / 1024,
        kb_used_omap: figures.keys_bytes / 1024,
        kb_used_meta: figures.own_bytes / 1024,
        wr_ops: size::brief(figures.rates.write_count, 1000),
        wr_data: size::brief(figures.rates.write_bytes, 1024),
        rd_ops: size::brief(figures.rates.read_count, 1000),
        rd_data: size::brief(figures.rates.read_bytes, 1024),
    }
}

/// All OSDs in short, as they were last measured.
pub fn summaries(cluster: &Cluster) -> Vec<OsdSummary> {
    let word = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
    let facts = cluster.osd_facts.as_ref().map(|facts| facts.value.osds.values());
    let summary = |osd: &Measured| OsdSummary {
        id: osd.id.to_string(),
        up: word(osd.up, "up", "down"),
        in_: word(osd.r#in, "in", "out"),
    };
    facts.into_iter().flatten().map(summary).collect()
}
