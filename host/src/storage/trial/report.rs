//! What fio reports: the figures that are kept, read from its JSON.

use std::collections::BTreeMap;

use logic::storage::benchmark::Direction;
use logic::storage::benchmark::figures::{IoFigures, Latency};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Report {
    jobs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    error: i32,
    read: Side,
    write: Side,
    usr_cpu: f64,
    sys_cpu: f64,
}

/// What was done in one direction.
#[derive(Debug, Deserialize)]
struct Side {
    io_bytes: u64,
    bw_bytes: f64,
    iops: f64,
    /// In ms.
    runtime: u64,
    total_ios: u64,
    lat_ns: Spread,
    clat_ns: Spread,
}

#[derive(Debug, Deserialize)]
struct Spread {
    min: f64,
    max: f64,
    mean: f64,
    stddev: f64,
    #[serde(default)]
    percentile: BTreeMap<String, f64>,
}

/// Reads a report on one job. Where it cannot be read, the error is a sentence.
pub(super) fn read(text: &str, direction: Direction) -> Result<IoFigures, String> {
    // Warnings come before it.
    let begin = text.find("{\n").unwrap_or_default();
    let mut documents = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Report>();
    let report = match documents.next() {
        Some(Ok(report)) => report,
        Some(Err(error)) => return Err(format!("the report of fio is not understood: {error}")),
        None => return Err("fio has reported nothing".into()),
    };
    let job = report.jobs.first().ok_or("fio has reported on no job")?;
    if job.error != 0 {
        return Err(format!("fio has ended with error {}", job.error));
    }
    let side = match direction {
        Direction::Read => &job.read,
        Direction::Write => &job.write,
    };
    if side.total_ios == 0 {
        return Err("the storage has not done one piece in the time of the trial".into());
    }
    let percentiles =
        side.clat_ns.percentile.iter().filter_map(|(part, span_ns)| Some((part.parse().ok()?, *span_ns)));
    let mut percentiles: Vec<(f64, f64)> = percentiles.collect();
    percentiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(IoFigures {
        span_ms: side.runtime,
        byte_count: side.io_bytes,
        piece_count: side.total_ios,
        bytes_per_s: side.bw_bytes,
        pieces_per_s: side.iops,
        latency: Latency {
            min_ns: side.lat_ns.min,
            mean_ns: side.lat_ns.mean,
            max_ns: side.lat_ns.max,
            deviation_ns: side.lat_ns.stddev,
            percentiles,
        },
        user_percent: job.usr_cpu,
        system_percent: job.sys_cpu,
        ..IoFigures::default()
    })
}

#[cfg(test)]
mod tests;
