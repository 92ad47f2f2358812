//! Benchmarks as the API shows them: their results in the words of fio, whose report they are taken from.

use std::collections::BTreeMap;

use api::{
    BenchmarkJob, BenchmarkLatency, BenchmarkPercentiles, BenchmarkResources, BenchmarkResult, BenchmarkSide,
    BenchmarkTest,
};
use logic::storage::benchmark::figures::{DaemonFigures, IoFigures, MachineFigures, Way};
use logic::storage::benchmark::{
    Benchmark, BenchmarkId, BenchmarkState, Direction, Order, Trial, TrialResult,
};

use super::calendar;

/// The form that results have.
const FORMAT: u64 = 2;

/// A benchmark.
pub fn benchmark(id: BenchmarkId, benchmark: &Benchmark) -> api::Benchmark {
    let (state, failed_reason) = match &benchmark.state {
        BenchmarkState::Running => ("running", String::new()),
        BenchmarkState::Done => ("done", String::new()),
        BenchmarkState::Failed { why } => ("failed", why.clone()),
    };
    let benchmark_result = match &benchmark.state {
        BenchmarkState::Running => BenchmarkResult::Word("Running".into()),
        BenchmarkState::Done => BenchmarkResult::Tests(tests(benchmark)),
        BenchmarkState::Failed { .. } => BenchmarkResult::default(),
    };
    api::Benchmark {
        id: id.0,
        job: benchmark.name.to_string(),
        test_format: FORMAT,
        benchmark_result,
        pool: benchmark.volume.pool.to_string(),
        size_bytes: benchmark.size_bytes,
        state: state.into(),
        failed_reason,
        task: benchmark.task.to_string(),
        begin_timestamp: calendar::shown(benchmark.asked),
    }
}

fn tests(benchmark: &Benchmark) -> BTreeMap<String, BenchmarkTest> {
    let test = |(trial, result): (&Trial, &TrialResult)| (trial.name().to_owned(), test(*trial, result));
    benchmark.results.iter().map(test).collect()
}

fn test(trial: Trial, result: &TrialResult) -> BenchmarkTest {
    let access = match result.figures.io.way {
        Way::Client => "client",
        Way::Direct => "direct",
        Way::Cached => "cached",
    };
    BenchmarkTest {
        jobs: vec![job(trial, result.region_bytes, &result.figures.io)],
        node: result.node.to_string(),
        access: access.into(),
        region_bytes: result.region_bytes,
        resources: resources(&result.figures.machine),
    }
}

fn job(trial: Trial, region_bytes: u64, io: &IoFigures) -> BenchmarkJob {
    let manner = match (trial.order(), trial.direction()) {
        (Order::Sequential, Direction::Read) => "read",
        (Order::Sequential, Direction::Write) => "write",
        (Order::Random, Direction::Read) => "randread",
        (Order::Random, Direction::Write) => "randwrite",
    };
    let options = [
        ("rw", manner.to_owned()),
        ("bs", trial.piece_bytes().to_string()),
        ("iodepth", trial.depth().to_string()),
        ("size", region_bytes.to_string()),
    ];
    let (read, write) = match trial.direction() {
        Direction::Read => (side(io), BenchmarkSide::default()),
        Direction::Write => (BenchmarkSide::default(), side(io)),
    };
    BenchmarkJob {
        jobname: trial.name().into(),
        options: options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        read,
        write,
        usr_cpu: io.user_percent,
        sys_cpu: io.system_percent,
    }
}

fn side(io: &IoFigures) -> BenchmarkSide {
    let latency = &io.latency;
    let percentiles = latency.percentiles.iter().map(|(part, span_ns)| (format!("{part:.6}"), *span_ns));
    BenchmarkSide {
        io_bytes: io.byte_count,
        bw_bytes: whole(io.bytes_per_s),
        bw: whole(io.bytes_per_s) / 1024,
        iops: io.pieces_per_s,
        runtime: io.span_ms,
        total_ios: io.piece_count,
        lat_ns: BenchmarkLatency {
            min: latency.min_ns,
            max: latency.max_ns,
            mean: latency.mean_ns,
            stddev: latency.deviation_ns,
        },
        clat_ns: BenchmarkPercentiles { percentile: percentiles.collect() },
    }
}

/// A rate without its fraction.
#[expect(clippy::cast_possible_truncation, reason = "a rate is less than any number of bytes")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

fn resources(machine: &MachineFigures) -> BenchmarkResources {
    let daemons = |figures: &Option<DaemonFigures>| {
        figures.as_ref().map_or((0, 0.0), |figures| (figures.count.into(), figures.percent))
    };
    let (osd_count, osd_cpu_percent) = daemons(&machine.osds);
    let (mon_count, mon_cpu_percent) = daemons(&machine.monitors);
    BenchmarkResources {
        cpu_count: machine.processor_count.into(),
        cpu_percent: machine.processors_percent,
        load: machine.load,
        osd_count,
        osd_cpu_percent,
        mon_count,
        mon_cpu_percent,
        memory_total: machine.memory_total_mib,
        memory_used: machine.memory_used_mib,
        network_rx_bytes: machine.received_bytes_per_s,
        network_tx_bytes: machine.sent_bytes_per_s,
    }
}
