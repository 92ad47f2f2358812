//! Storage on the screen: its own words, and the tables of OSDs, pools, volumes and snapshots.

use api::{Osd, Pool, StorageText, Volume, VolumeSize, VolumeSnapshot};

use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// The storage's own words below a line that says who has asked it.
pub(crate) fn text(text: &StorageText, paint: Paint) -> String {
    let title = match text.type_.as_str() {
        "utilization" => "Storage utilization",
        _ => "Storage status",
    };
    let title = format!("{title} (primary node: {})", text.primary_node);
    let mut out = format!("{}\n", paint.paint(&title, Tone::Heading));
    if let Some(stale) = &text.stale {
        out += &format!("{}\n", paint.paint(&format!("This is old: {stale}"), Tone::Attention));
    }
    out + "\n" + text.ceph_data.trim_end() + "\n"
}

/// All OSDs by number.
pub(crate) fn osds(osds: &[Osd], paint: Paint) -> String {
    let mut sorted: Vec<&Osd> = osds.iter().collect();
    sorted.sort_by_key(|osd| (osd.id.parse::<u64>().unwrap_or(u64::MAX), osd.id.clone()));
    let mut table = Table::new(&[
        "#ID",
        "Node",
        "Device",
        "DB",
        "Up",
        "In",
        "Class",
        "#Size",
        "#PGs",
        "#Weight",
        "#Reweight",
        "#Used",
        "#Free",
        "#Used %",
        "#Var",
        "#Reads/s",
        "#Read",
        "#Writes/s",
        "#Written",
        "State",
    ]);
    for osd in sorted {
        let stats = &osd.stats;
        let flag = |value: u64| match value {
            0 => Cell::toned("no", Tone::Bad),
            _ => Cell::toned("yes", Tone::Good),
        };
        let device = if osd.is_split { format!("{} (part)", osd.device) } else { osd.device.clone() };
        table.row(vec![
            osd.id.as_str().into(),
            osd.node.as_str().into(),
            device.into(),
            or_dash(&osd.db_device),
            flag(stats.up),
            flag(stats.in_),
            stats.class.as_str().into(),
            size(stats.kb.saturating_mul(1024)).into(),
            stats.pgs.to_string().into(),
            format!("{:.2}", stats.weight).into(),
            format!("{:.2}", stats.reweight).into(),
            stats.used.as_str().into(),
            stats.avail.as_str().into(),
            format!("{:.1}", stats.utilization).into(),
            format!("{:.2}", stats.var).into(),
            stats.rd_ops.as_str().into(),
            stats.rd_data.as_str().into(),
            stats.wr_ops.as_str().into(),
            stats.wr_data.as_str().into(),
            state(osd.state.as_deref(), osd.task.as_deref(), osd.stale.as_deref()),
        ]);
    }
    table.render(paint)
}

/// All pools by name.
pub(crate) fn pools(pools: &[Pool], paint: Paint) -> String {
    let mut sorted: Vec<&Pool> = pools.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::new(&[
        "Name",
        "#ID",
        "Tier",
        "#PGs",
        "#Volumes",
        "#Stored",
        "#Used",
        "#Used %",
        "#Free",
        "#Objects",
        "#Degraded",
        "#Reads",
        "#Read",
        "#Writes",
        "#Written",
        "State",
    ]);
    for pool in sorted {
        let stats = &pool.stats;
        let degraded = match stats.num_objects_degraded {
            0 => Cell::from("0"),
            count => Cell::toned(count.to_string(), Tone::Attention),
        };
        table.row(vec![
            pool.name.as_str().into(),
            stats.id.to_string().into(),
            pool.tier.as_str().into(),
            pool.pgs.as_str().into(),
            pool.volume_count.to_string().into(),
            size(stats.stored_bytes).into(),
            size(stats.used_bytes).into(),
            format!("{:.1}", stats.used_percent * 100.0).into(),
            size(stats.free_bytes).into(),
            stats.num_objects.to_string().into(),
            degraded,
            stats.read_ops.to_string().into(),
            size(stats.read_bytes).into(),
            stats.write_ops.to_string().into(),
            size(stats.write_bytes).into(),
            state(pool.state.as_deref(), pool.task.as_deref(), pool.stale.as_deref()),
        ]);
    }
    table.render(paint)
}

/// All volumes by pool and name.
pub(crate) fn volumes(volumes: &[Volume], paint: Paint) -> String {
    let mut sorted: Vec<&Volume> = volumes.iter().collect();
    sorted.sort_by(|a, b| (&a.pool, &a.name).cmp(&(&b.pool, &b.name)));
    let mut table = Table::new(&[
        "Pool",
        "Name",
        "#Size",
        "#Objects",
        "#Order",
        "#Format",
        "#Snapshots",
        "Clone of",
        "Features",
        "State",
    ]);
    for volume in sorted {
        let stats = &volume.stats;
        let size = match &stats.size {
            VolumeSize::Text(text) => text.clone(),
            VolumeSize::Bytes(bytes) => size(*bytes),
        };
        table.row(vec![
            volume.pool.as_str().into(),
            volume.name.as_str().into(),
            size.into(),
            stats.objects.to_string().into(),
            stats.order.to_string().into(),
            stats.format.to_string().into(),
            stats.snapshot_count.to_string().into(),
            or_dash(volume.parent.as_deref().unwrap_or_default()),
            or_dash(&stats.features.join(",")),
            state(volume.state.as_deref(), volume.task.as_deref(), None),
        ]);
    }
    table.render(paint)
}

/// All snapshots by pool and volume, in the order in which they were taken.
pub(crate) fn snapshots(snapshots: &[VolumeSnapshot], paint: Paint) -> String {
    let mut sorted: Vec<&VolumeSnapshot> = snapshots.iter().collect();
    sorted.sort_by(|a, b| (&a.pool, &a.volume).cmp(&(&b.pool, &b.volume)));
    let mut table = Table::new(&["Pool", "Volume", "Name", "#Size", "Taken", "State"]);
    for snapshot in sorted {
        let stats = &snapshot.stats;
        let size = match &stats.size {
            VolumeSize::Text(text) => text.clone(),
            VolumeSize::Bytes(bytes) => size(*bytes),
        };
        table.row(vec![
            snapshot.pool.as_str().into(),
            snapshot.volume.as_str().into(),
            snapshot.snapshot.as_str().into(),
            size.into(),
            or_dash(&stats.create_timestamp),
            state(snapshot.state.as_deref(), None, None),
        ]);
    }
    table.render(paint)
}

/// What happens to a thing, and whether its figures are old.
fn state(state: Option<&str>, task: Option<&str>, stale: Option<&str>) -> Cell {
    let doing = match (state, task) {
        (Some(state), Some(task)) => Some(format!("{state} (task {task})")),
        (Some(state), None) => Some(state.to_owned()),
        _ => None,
    };
    let old = stale.map(|_| "old figures".to_owned());
    let parts: Vec<String> = doing.into_iter().chain(old).collect();
    match parts.is_empty() {
        true => Cell::toned("ready", Tone::Good),
        false => Cell::toned(parts.join(", "), Tone::Attention),
    }
}

fn or_dash(text: &str) -> Cell {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// A size in the largest unit in which it has a digit before the point.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let place = (bytes.ilog2() / 10).min(6);
    let unit = UNITS[place as usize - 1];
    // A tenth of the unit is enough for the eye; the JSON has the bytes.
    let tenths = (u128::from(bytes) * 10) >> (10 * place);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}
