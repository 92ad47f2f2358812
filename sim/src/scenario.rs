//! A scenario: a folder with what it is about, a cluster, a script, what must and must not be seen, and the log.
//!
//! | file | what it holds |
//! |---|---|
//! | `about.md` | what is shown, for people |
//! | `cluster.toml` | the nodes and their timers |
//! | `script.txt` | `TIME ORDER` lines, then `must TEXT` and `must not TEXT` lines, written by hand |
//! | `expected.log` | the log, byte for byte |
//!
//! `must` lines occur in the log in their order; `must not` lines nowhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use logic::config::Timers;
use logic::id::NodeName;
use logic::time::Span;
use serde::Deserialize;

use crate::command::{Command, Seconds};
use crate::world::chance::Chance;
use crate::world::{Keepalives, World};

/// The file `cluster.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    nodes: Vec<NodeName>,
    #[serde(default)]
    show_keepalives: bool,
    #[serde(default)]
    networks: bool,
    keepalive_interval_s: Option<u64>,
    vm_shutdown_timeout_s: Option<u64>,
}

/// The file `script.txt`.
#[derive(Clone, Debug, Default)]
struct Script {
    orders: Vec<(Span, Command)>,
    end: Span,
    must: Vec<String>,
    must_not: Vec<String>,
}

/// What a scenario came to.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its log.
    pub log: String,
    /// What is wrong about it: violations, `must` lines that are missing, `must not` lines that are there.
    pub findings: Vec<String>,
}

/// Plays the scenario in a folder.
///
/// # Errors
/// When one of its files cannot be read.
pub fn play(folder: &Path) -> Result<Played> {
    let cluster = read(folder, "cluster.toml")?;
    let cluster: ClusterFile = toml::from_str(&cluster).with_context(|| format!("{}", folder.display()))?;
    let script =
        parse(&read(folder, "script.txt")?).with_context(|| format!("{}/script.txt", folder.display()))?;
    read(folder, "about.md")?;
    let keepalives = if cluster.show_keepalives { Keepalives::Shown } else { Keepalives::Hidden };
    let mut world = World::new(&cluster.nodes, timers(&cluster), keepalives, Chance::Fixed);
    if cluster.networks {
        world = world.with_networks();
    }
    for (at, order) in &script.orders {
        world.run_until(*at);
        world.order(order);
    }
    world.run_until(script.end);
    let log = world.log().to_owned();
    let violation = world.violation().map(|why| format!("violation: {why}"));
    let findings = violation.into_iter().chain(check(&log, &script)).collect();
    Ok(Played { log, findings })
}

/// How the played log differs from `expected.log`: the first line that does.
///
/// # Errors
/// When there is no `expected.log`.
pub fn difference(folder: &Path, log: &str) -> Result<Option<String>> {
    let expected = read(folder, "expected.log")?;
    if expected == log {
        return Ok(None);
    }
    let pairs =
        expected.lines().map(Some).chain(std::iter::repeat(None)).zip(log.lines().map(Some).chain([None]));
    let (number, (expected, got)) =
        pairs.enumerate().find(|(_, (expected, got))| expected != got).unwrap_or((0, (None, None)));
    let end = "(the end)";
    Ok(Some(format!(
        "line {}:\n  expected {}\n  got      {}",
        number + 1,
        expected.unwrap_or(end),
        got.unwrap_or(end)
    )))
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))
}

fn timers(cluster: &ClusterFile) -> Timers {
    let usual = Timers::default();
    let keepalive_interval = cluster.keepalive_interval_s.map_or(usual.keepalive_interval, Span::seconds);
    Timers {
        keepalive_interval,
        primary_silence_max: Timers::usual_silence(keepalive_interval),
        vm_shutdown_timeout: cluster.vm_shutdown_timeout_s.map_or(usual.vm_shutdown_timeout, Span::seconds),
    }
}

fn parse(text: &str) -> Result<Script> {
    let mut script = Script::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(text) = line.strip_prefix("must not ") {
            script.must_not.push(text.trim().to_owned());
        } else if let Some(text) = line.strip_prefix("must ") {
            script.must.push(text.trim().to_owned());
        } else {
            let (at, order) =
                line.split_once(' ').with_context(|| format!("`{line}` has a time and an order"))?;
            let at = at.parse::<Seconds>()?.0;
            if script.orders.last().is_some_and(|(before, _)| *before > at) {
                bail!("`{line}` is earlier than the line before");
            }
            match order.trim() {
                "end" => script.end = at,
                order => script.orders.push((at, order.parse()?)),
            }
        }
    }
    if script.must.is_empty() {
        bail!("nothing must be seen in it: write `must` lines");
    }
    Ok(script)
}

fn check(log: &str, script: &Script) -> Vec<String> {
    let mut findings = Vec::new();
    let mut rest = log;
    for must in &script.must {
        match rest.find(must.as_str()) {
            Some(place) => rest = &rest[place + must.len()..],
            None => findings.push(format!("not seen, or not in this order: {must}")),
        }
    }
    let seen = script.must_not.iter().filter(|text| log.contains(text.as_str()));
    findings.extend(seen.map(|text| format!("must not be seen: {text}")));
    findings
}

#[cfg(test)]
mod tests;
