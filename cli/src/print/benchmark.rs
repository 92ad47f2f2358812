//! Benchmarks on the screen: a line for each, or all that one has measured.

use std::collections::BTreeMap;

use api::{Benchmark, BenchmarkResult, BenchmarkSide, BenchmarkTest};

use super::details::Details;
use super::paint::{Paint, Tone};
use super::storage::size;
use super::table::{Cell, Table};

/// The tests in the order in which they are shown, with what people call them.
const TESTS: [(&str, &str); 8] = [
    ("seq_read", "Sequential read, 4 MiB"),
    ("seq_write", "Sequential write, 4 MiB"),
    ("rand_read_4M", "Random read, 4 MiB"),
    ("rand_write_4M", "Random write, 4 MiB"),
    ("rand_read_4K", "Random read, 4 KiB"),
    ("rand_write_4K", "Random write, 4 KiB"),
    ("rand_read_4K_lowdepth", "Random read, 4 KiB, one at a time"),
    ("rand_write_4K_lowdepth", "Random write, 4 KiB, one at a time"),
];

/// All benchmarks, the oldest first.
pub(crate) fn list(benchmarks: &[Benchmark], paint: Paint) -> String {
    let mut table = Table::new(&[
        "#ID",
        "Job",
        "Pool",
        "Begun",
        "#Seq read/s",
        "#Seq write/s",
        "#4K reads/s",
        "#4K writes/s",
        "State",
    ]);
    for benchmark in benchmarks {
        let of = |name: &str| tests(benchmark).and_then(|tests| tests.get(name)).and_then(side);
        let rate = |name| of(name).map_or_else(|| "-".into(), |side| size(side.bw_bytes));
        let count = |name| of(name).map_or_else(|| "-".into(), |side| format!("{:.0}", side.iops));
        table.row(vec![
            benchmark.id.to_string().into(),
            benchmark.job.as_str().into(),
            benchmark.pool.as_str().into(),
            benchmark.begin_timestamp.as_str().into(),
            rate("seq_read").into(),
            rate("seq_write").into(),
            count("rand_read_4K").into(),
            count("rand_write_4K").into(),
            Cell::toned(benchmark.state.as_str(), tone(&benchmark.state)),
        ]);
    }
    table.render(paint)
}

/// One benchmark with all that it has measured.
pub(crate) fn details(benchmark: &Benchmark, paint: Paint) -> String {
    let mut details = Details::default();
    details.line("Job", benchmark.job.as_str());
    details.line("ID", benchmark.id.to_string());
    details.line("Pool", benchmark.pool.as_str());
    details.line("Volume", size(benchmark.size_bytes));
    details.line("Begun", benchmark.begin_timestamp.as_str());
    details.toned("State", benchmark.state.as_str(), tone(&benchmark.state));
    details.line_if_any("Reason", &benchmark.failed_reason);
    if benchmark.state == "running" {
        details.line("Task", format!("{0}; watch it with: pvc cluster task {0}", benchmark.task));
    }
    if let Some(tests) = tests(benchmark).filter(|tests| !tests.is_empty()) {
        details.table("Tests", speeds(tests));
        details.table("Meanwhile at the node", loads(tests));
    }
    details.render(paint)
}

fn speeds(tests: &BTreeMap<String, BenchmarkTest>) -> Table {
    let mut table =
        Table::new(&["Test", "#Rate/s", "#Pieces/s", "#Mean", "#95 %", "#99 %", "#Longest", "#Touched"]);
    for (title, test) in known(tests) {
        let Some(side) = side(test) else { continue };
        let percentile = |part: &str| {
            side.clat_ns.percentile.get(part).map_or_else(|| "-".into(), |span_ns| span(*span_ns))
        };
        let way = if test.access == "cached" { " (through the cache)" } else { "" };
        table.row(vec![
            format!("{title}{way}").into(),
            size(side.bw_bytes).into(),
            format!("{:.1}", side.iops).into(),
            span(side.lat_ns.mean).into(),
            percentile("95.000000").into(),
            percentile("99.000000").into(),
            span(side.lat_ns.max).into(),
            size(test.region_bytes).into(),
        ]);
    }
    table
}

fn loads(tests: &BTreeMap<String, BenchmarkTest>) -> Table {
    let mut table = Table::new(&[
        "Test",
        "Node",
        "#Load",
        "#CPUs %",
        "#OSDs %",
        "#Monitors %",
        "#Memory",
        "#Received/s",
        "#Sent/s",
    ]);
    for (title, test) in known(tests) {
        let resources = &test.resources;
        let daemons = |count: u64, percent: f64| match count {
            0 => "-".to_owned(),
            count => format!("{percent:.0} of {count}"),
        };
        let rate = |rate: Option<f64>| rate.map_or_else(|| "-".into(), |rate| size(whole(rate)));
        table.row(vec![
            title.into(),
            test.node.as_str().into(),
            format!("{:.2}", resources.load).into(),
            format!("{:.0}", resources.cpu_percent).into(),
            daemons(resources.osd_count, resources.osd_cpu_percent).into(),
            daemons(resources.mon_count, resources.mon_cpu_percent).into(),
            size(resources.memory_used << 20).into(),
            rate(resources.network_rx_bytes).into(),
            rate(resources.network_tx_bytes).into(),
        ]);
    }
    table
}

/// The tests that there are, in order.
fn known(tests: &BTreeMap<String, BenchmarkTest>) -> impl Iterator<Item = (&'static str, &BenchmarkTest)> {
    TESTS.iter().filter_map(|(name, title)| Some((*title, tests.get(*name)?)))
}

fn tests(benchmark: &Benchmark) -> Option<&BTreeMap<String, BenchmarkTest>> {
    match &benchmark.benchmark_result {
        BenchmarkResult::Tests(tests) => Some(tests),
        BenchmarkResult::Word(_) => None,
    }
}

/// The direction in which a test has done something.
fn side(test: &BenchmarkTest) -> Option<&BenchmarkSide> {
    let job = test.jobs.first()?;
    Some(if job.write.total_ios > 0 { &job.write } else { &job.read })
}

fn tone(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Attention,
    }
}

/// A span of so many ns in the unit that suits it.
fn span(ns: f64) -> String {
    match ns {
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a rate is less than any number of bytes")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}
