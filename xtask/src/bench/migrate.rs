//! `bench migrate`: a guest that counts and answers pings moves from node to node while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bench::ping::Pinger;
use crate::bench::report::{Aim, Figure, Report};
use crate::bench::stage::{Stage, Wishes};
use crate::command::wait_for;
use crate::http::Connection;
use crate::lab::guest::Guest;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{API_PORT, Rack, name};
use crate::tree;

/// The VM.
pub const TRAVELLER: &str = "traveller";
const UUID: &str = "3c7f8a52-0b7d-4f0e-8a86-5b1f4f6c9e01";

/// The part of an address on the upstream network that is the guest's.
const ADDRESS: u8 = 200;

/// How long a VM may stand still while it moves unless its operator says otherwise. QEMU stops it when it expects to be
/// done within that time.
pub const DOWNTIME_MS: usize = 300;

/// Between two pings.
const EVERY_MS: u32 = 10;

/// Between two numbers that the guest tells.
const TICK_US: u32 = 10_000;

/// Takes it and gives the report.
///
/// # Errors
/// When the lab cannot be made; a run that fails counts as infinite.
pub fn run(words: &[&str], xtask: &Path) -> Result<Report> {
    let wishes = Wishes::read(words, &["runs", "downtime"])?;
    let (wanted, downtime_ms) = (("live", wishes.number("runs", 50)), wishes.number("downtime", DOWNTIME_MS));
    let on = json!({ "max_downtime_ms": downtime_ms });
    let mut stage = Stage::resume("migrate", wishes.profile, &on, xtask)?;
    stage.play(&[wanted], |rack, runs| {
        start(rack, downtime_ms)?;
        runs.fill(wanted, || once(rack), || revived(rack))
    })?;
    let figures = [
        ("wall_ms", Aim::None),
        ("pause_ms", Aim::AtMost(100.0)),
        ("console_gap_ms", Aim::None),
        ("lost_pings", Aim::None),
    ];
    let figures = figures
        .into_iter()
        .flat_map(|(value, aim)| Figure::percentiles(value, &stage.runs.values("live", value), aim));
    let failed = f64::from(u32::try_from(stage.runs.failed("live"))?);
    let figures = figures.chain([Figure::of("failed", failed, Aim::AtMost(0.0))]).collect();
    stage.report(figures)
}

/// Starts the guest on the first node, with how long it may stand still while it moves, and waits until it answers.
///
/// # Errors
/// When it does not within four minutes.
pub fn start(rack: &Rack, downtime_ms: usize) -> Result<()> {
    let guest = Guest::ensure(&tree::target().join("guest"))?;
    let address = format!("{}/24", Network::Upstream.address(ADDRESS));
    let bridge = Network::Upstream.bridge();
    let document = guest.networked_xml((TRAVELLER, UUID), &bridge, &address, TICK_US);
    rack.start_document(TRAVELLER, &document, 1, &["-m", "live", "-d", &downtime_ms.to_string()])?;
    rack.vm_becomes(TRAVELLER, ("start", 1), 1)?;
    wait_for("the guest to answer", PATIENCE, || {
        Pinger::start(rack, Network::Upstream.address(ADDRESS), EVERY_MS).map(drop)
    })?;
    rack.counts_on(TRAVELLER, 1)
}

/// Moves the guest to the next node while it runs, and tells how long that took from the request until its state tells
/// that it is there, for how long it was silent, and what its peer lost.
///
/// # Errors
/// When it is not there within four minutes, began anew, or told a number twice or left one out.
pub fn once(rack: &Rack) -> Result<Value> {
    let from = whose(rack)?;
    let to = from % rack.numbers().end() + 1;
    let pinger = Pinger::start(rack, Network::Upstream.address(ADDRESS), EVERY_MS)?;
    let (count_before, boots) = (rack.count(TRAVELLER, from), boots(rack));
    let arrived = |told: &str| told.matches(&format!("hello {TRAVELLER} ")).count();
    let lines_before = arrived(&rack.console(TRAVELLER, to));
    let (took, console_gap_ms) = listened(rack, [from, to], || travel(rack, to))?;
    pinger.hear(50)?;
    let pings = pinger.finish()?;
    wait_for("the guest to be on one node, and to count there", PATIENCE, || {
        ensure!(rack.whereabouts(TRAVELLER) == [to], "it is on {:?}", rack.whereabouts(TRAVELLER));
        // The line that it was in the middle of may be cut in two.
        let lines = arrived(&rack.console(TRAVELLER, to));
        ensure!(lines > lines_before + 1, "it has told nothing there");
        Ok(())
    })?;
    let count_after = rack.count(TRAVELLER, to);
    ensure!(count_after > count_before, "it counted to {count_before}, and then only to {count_after}");
    ensure!(self::boots(rack) == boots, "it began anew");
    // The first node's API is asked next, and hears of it a moment after the one that was asked.
    rack.vm_becomes(TRAVELLER, ("start", to), 1)?;
    Ok(json!({
        "from": name(from), "to": name(to), "wall_ms": took.as_secs_f64() * 1000.0, "pause_ms": pings.gap_ms,
        "console_gap_ms": console_gap_ms, "lost_pings": pings.lost, "sent_pings": pings.sent,
    }))
}

/// Waits until the guest answers. One that does not after a move that failed is started anew.
fn revived(rack: &Rack) -> Result<()> {
    let answers = || Pinger::start(rack, Network::Upstream.address(ADDRESS), EVERY_MS).map(drop);
    if answers().is_ok() {
        return Ok(());
    }
    rack.pvc(1, &["vm", "stop", "-y", TRAVELLER])?;
    rack.vm_becomes(TRAVELLER, ("stop", whose(rack)?), 1)?;
    rack.pvc(1, &["vm", "start", TRAVELLER])?;
    wait_for("the guest to answer", PATIENCE, answers)
}

/// How often the guest has said, on all nodes, that it is up.
fn boots(rack: &Rack) -> usize {
    let up = format!("{TRAVELLER} is up after");
    rack.numbers().map(|number| rack.console(TRAVELLER, number).matches(&up).count()).sum()
}

fn whose(rack: &Rack) -> Result<u8> {
    let vm = rack.vm(TRAVELLER, 1)?;
    rack.numbers().find(|number| vm["node"] == name(*number).as_str()).context("it has no node")
}

fn travel(rack: &Rack, to: u8) -> Result<Duration> {
    let at = format!("{}:{API_PORT}", Network::Upstream.address(to));
    rack.switch()?.node.with_network(|| {
        let mut connection = Connection::open(&at, rack.token())?;
        let begin = Instant::now();
        let form = format!("action=move&node={}&force_live=true", name(to));
        let answer = connection.request("POST", &format!("/api/v1/vm/{TRAVELLER}/node"), &form)?;
        ensure!(answer.status < 300, "it is refused: {} {}", answer.status, answer.body);
        loop {
            let told = connection.request("GET", &format!("/api/v1/vm/{TRAVELLER}"), "")?.json()?;
            let vm = told.get(0).cloned().unwrap_or(told);
            if vm["node"] == name(to).as_str() && vm["state"] == "start" {
                return Ok(begin.elapsed());
            }
            let why = (&vm["state"], &vm["failed_reason"]);
            ensure!(begin.elapsed() < PATIENCE, "it is not there after {PATIENCE:?}: {why:?}");
            let given_up = vm["state"] == "start" && begin.elapsed() > Duration::from_secs(1);
            ensure!(!given_up, "it was given up: {why:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

/// Does something, and tells the longest time in milliseconds in which none of the consoles grew meanwhile.
fn listened<T>(rack: &Rack, nodes: [u8; 2], work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let files: Vec<PathBuf> = nodes
        .into_iter()
        .map(|node| rack.place(node).join(format!("var-log/libvirt/qemu/{TRAVELLER}-console.log")))
        .collect();
    let size =
        || files.iter().map(|file| fs::metadata(file).map_or(0, |file| file.len())).collect::<Vec<_>>();
    let done = AtomicBool::new(false);
    let listen = || {
        let (mut last, mut moment, mut longest) = (size(), Instant::now(), Duration::ZERO);
        while !done.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
            let now = size();
            if now != last {
                longest = longest.max(moment.elapsed());
                (last, moment) = (now, Instant::now());
            }
        }
        longest.max(moment.elapsed())
    };
    std::thread::scope(|scope| {
        let listener = scope.spawn(listen);
        let outcome = work();
        done.store(true, Ordering::SeqCst);
        let longest = listener.join().expect("listening does not panic");
        Ok((outcome?, longest.as_secs_f64() * 1000.0))
    })
}
