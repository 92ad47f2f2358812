//! `bench footprint`: what three nodes with guests take while nobody asks anything of them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bench::report::{Aim, Figure, Report};
use crate::bench::stage::{self, Stage, Wishes};
use crate::lab::daemons::DAEMONS;
use crate::lab::process::Memory;
use crate::lab::zookeeper;
use crate::rack::Rack;

/// How long the guests are left alone before it begins: what they do when they boot is not idleness.
const SETTLE: Duration = Duration::from_secs(30);

/// Takes it and gives the report.
///
/// # Errors
/// When the lab cannot be made or a guest does not count.
pub fn run(words: &[&str], xtask: &Path) -> Result<Report> {
    let wishes = Wishes::read(words, &["guests", "minutes"])?;
    let (guests, minutes) = (wishes.number("guests", 20), wishes.number("minutes", 10));
    let on = json!({ "guests": guests, "minutes": minutes });
    let span = Duration::from_secs(60 * u64::try_from(minutes)?);
    let mut stage = Stage::resume("footprint", wishes.profile, &on, xtask)?;
    stage.play(&[("idle", 1)], |rack, runs| {
        stage::populate(rack, &rack.numbers().collect::<Vec<_>>(), guests)?;
        std::thread::sleep(SETTLE);
        runs.fill(("idle", 1), || measure(rack, span), || Ok(()))
    })?;
    let each = |what: &str, aim: Aim| DAEMONS.map(|daemon| (format!("{daemon}_{what}_max"), aim));
    let mut aims = each("rss_mb", Aim::AtMost(30.0)).to_vec();
    // The sum counts libraries twice that two daemons share; the memory of the node is without that.
    aims.push(("node_rss_mb_max".into(), Aim::AtMost(60.0)));
    aims.push(("node_memory_mb_max".into(), Aim::AtMost(60.0)));
    aims.extend(each("cpu_percent", Aim::None));
    aims.push(("node_cpu_percent_max".into(), Aim::AtMost(1.0)));
    aims.push(("store_writes_per_s".into(), Aim::None));
    let value = |name: &str| stage.runs.values("idle", name).first().copied().unwrap_or(f64::INFINITY);
    let figures = aims.into_iter().map(|(name, aim)| Figure::of(name.clone(), value(&name), aim)).collect();
    stage.report(figures)
}

/// Looks at the daemons' memory and at what processor time and how many writes that span cost.
///
/// # Errors
/// When a daemon does not run.
pub fn measure(rack: &Rack, span: Duration) -> Result<Value> {
    let (begin, ticks, writes) = (Instant::now(), ticks(rack)?, writes(rack)?);
    std::thread::sleep(span);
    let seconds = begin.elapsed().as_secs_f64();
    let (ticks_after, writes_after) = (self::ticks(rack)?, self::writes(rack)?);
    let mut told = json!({
        "seconds": seconds,
        "store_writes_per_s": (writes_after - writes) / seconds,
    });
    let (mut node_rss, mut node_memory, mut node_cpu) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (row, number) in rack.numbers().enumerate() {
        let node = rack.node(number)?;
        let (mut rss_sum, mut cpu_sum, mut memories) = (0.0, 0.0, Vec::new());
        for (column, daemon) in DAEMONS.into_iter().enumerate() {
            let process = node.process(daemon)?;
            let rss = megabytes(process.resident_kib()?)?;
            memories.push(process.memory()?);
            let used = ticks_after[row][column] - ticks[row][column];
            // The kernel counts in hundredths of a second.
            let cpu = used / seconds;
            for (name, value) in [("rss_mb", rss), ("cpu_percent", cpu)] {
                let key = format!("{daemon}_{name}_max");
                let most = told[&key].as_f64().unwrap_or_default().max(value);
                told[key] = most.into();
            }
            rss_sum += rss;
            cpu_sum += cpu;
        }
        node_rss = node_rss.max(rss_sum);
        node_memory = node_memory.max(megabytes(Memory::together_kib(&memories))?);
        node_cpu = node_cpu.max(cpu_sum);
    }
    told["node_rss_mb_max"] = node_rss.into();
    told["node_memory_mb_max"] = node_memory.into();
    told["node_cpu_percent_max"] = node_cpu.into();
    Ok(told)
}

fn megabytes(kib: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(kib)?) * 1.024 / 1000.0)
}

/// The processor time of each node's daemons so far, in hundredths of a second.
fn ticks(rack: &Rack) -> Result<Vec<Vec<f64>>> {
    let of = |number: u8| {
        let node = rack.node(number)?;
        DAEMONS.into_iter().map(|daemon| node.process(daemon)?.processor_ticks()).collect()
    };
    rack.numbers().map(of).collect()
}

/// How many writes the ensemble has agreed on, by its leader's own account.
fn writes(rack: &Rack) -> Result<f64> {
    let leads = |number: &u8| {
        let role = rack.node(*number).and_then(|node| zookeeper::role(&node));
        role.ok().flatten().is_some_and(|role| role == "leader" || role == "standalone")
    };
    let leader = rack.server_numbers().find(leads).context("no server leads")?;
    zookeeper::figure(&rack.node(leader)?, "zk_proposal_count")
}
