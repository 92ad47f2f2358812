//! `bench handover`: the primary's role moved on request, and taken over after its node lost its power, while a client
//! pings the upstream network's floating address.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bench::ping::Pinger;
use crate::bench::report::{Aim, Figure, Report};
use crate::bench::stage::{Stage, Wishes};
use crate::command::wait_for;
use crate::http::Connection;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{API_PORT, Rack, make, name};

/// Between two pings.
const EVERY_MS: u32 = 25;

/// Takes it and gives the report.
///
/// # Errors
/// When the lab cannot be made; a run that fails counts as infinite.
pub fn run(words: &[&str], xtask: &Path) -> Result<Report> {
    let wishes = Wishes::read(words, &["planned", "killed"])?;
    let wanted = [("planned", wishes.number("planned", 50)), ("killed", wishes.number("killed", 20))];
    let mut stage = Stage::resume("handover", wishes.profile, &json!({}), xtask)?;
    stage.play(&wanted, |rack, runs| {
        runs.fill(wanted[0], || planned(rack), || settled(rack))?;
        runs.fill(wanted[1], || killed(rack), || settled(rack))
    })?;
    let figures = [
        ("planned", "lost_pings", Aim::AtMost(2.0)),
        ("planned", "total_ms", Aim::AtMost(1000.0)),
        ("planned", "gap_ms", Aim::None),
        ("killed", "gap_ms", Aim::None),
        ("killed", "total_ms", Aim::None),
    ];
    let made = figures.into_iter().filter(|(kind, ..)| stage.runs.count(kind) > 0);
    let figures = made.flat_map(|(kind, value, aim)| {
        Figure::percentiles(&format!("{kind}_{value}"), &stage.runs.values(kind, value), aim)
    });
    let figures = figures.collect();
    stage.report(figures)
}

/// Moves the role to the next node, and tells what a client lost and how long it took, from the request until both
/// nodes' states tell that it is done.
///
/// # Errors
/// When the role does not move within four minutes.
pub fn planned(rack: &Rack) -> Result<Value> {
    let from = primary(rack, 1)?;
    let to = from % rack.numbers().end() + 1;
    let pinger = Pinger::start(rack, Network::Upstream.floating(), EVERY_MS)?;
    let at = format!("{}:{API_PORT}", Network::Upstream.address(to));
    let took = rack.switch()?.node.with_network(|| {
        let mut connection = Connection::open(&at, rack.token())?;
        let begin = Instant::now();
        let path = format!("/api/v1/node/{}/coordinator-state", name(to));
        let answer = connection.request("POST", &path, "state=primary")?;
        ensure!(answer.status < 300, "it is refused: {} {}", answer.status, answer.body);
        while begin.elapsed() < PATIENCE {
            let nodes = connection.request("GET", "/api/v1/node", "")?.json()?;
            if state(&nodes, to) == "primary" && state(&nodes, from) == "secondary" {
                return Ok(begin.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("it is not done after {} s", PATIENCE.as_secs())
    })?;
    pinger.hear(20)?;
    let pings = pinger.finish()?;
    Ok(json!({
        "from": name(from), "to": name(to), "total_ms": took.as_secs_f64() * 1000.0,
        "lost_pings": pings.lost, "sent_pings": pings.sent, "gap_ms": pings.gap_ms,
    }))
}

/// Cuts the primary's power, and tells how long the address did not answer, and how long it took until another node's
/// state tells that it is primary.
///
/// # Errors
/// When nobody takes the role over within four minutes.
pub fn killed(rack: &Rack) -> Result<Value> {
    let from = primary(rack, 1)?;
    let by = from % rack.numbers().end() + 1;
    let pinger = Pinger::start(rack, Network::Upstream.floating(), EVERY_MS)?;
    let begin = Instant::now();
    ensure!(rack.kill(from)?, "the primary was off");
    let to = wait_for("another primary", PATIENCE, || {
        let to = primary(rack, by)?;
        ensure!(to != from, "it is still the dead one");
        Ok(to)
    })?;
    let took = begin.elapsed();
    pinger.hear(20)?;
    let pings = pinger.finish()?;
    ensure!(pings.lost > 0, "no ping was lost: the power cut did not bite");
    Ok(json!({
        "from": name(from), "to": name(to), "total_ms": took.as_secs_f64() * 1000.0,
        "lost_pings": pings.lost, "sent_pings": pings.sent, "gap_ms": pings.gap_ms,
    }))
}

/// The node that is primary, as another's API tells it.
///
/// # Errors
/// When none is.
pub fn primary(rack: &Rack, by: u8) -> Result<u8> {
    let nodes = Value::Array(rack.nodes(by)?);
    rack.numbers().find(|number| state(&nodes, *number) == "primary").context("no node is primary")
}

fn state(nodes: &Value, number: u8) -> String {
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let node = nodes.iter().find(|node| node["name"] == name(number));
    node.and_then(|node| node["coordinator_state"].as_str()).unwrap_or_default().to_owned()
}

/// Waits until all nodes run, and one is primary; machines that are off are switched on.
fn settled(rack: &Rack) -> Result<()> {
    for number in rack.numbers() {
        rack.start(number)?;
    }
    wait_for("all nodes to run", PATIENCE, || make::all_run(rack))?;
    wait_for("a primary", PATIENCE, || primary(rack, 1)).map(drop)
}
