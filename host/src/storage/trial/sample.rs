//! What a machine does beside and because of a trial: two samples, and what lies between them.
//!
//! Of a cluster's OSDs and monitors only those are seen that run on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use logic::node::traffic::CpuTime;
use logic::storage::benchmark::figures::{DaemonFigures, MachineFigures};

use crate::machine;
use crate::network::{Kernel, LinkKind, Network as _};

/// How long the kernel may take to tell its counters.
const DEADLINE: Duration = Duration::from_secs(2);

/// What had been counted at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    processors: CpuTime,
    /// The ticks of each process of a daemon of Ceph's, by its kind and number.
    daemons: BTreeMap<(Kind, u32), u64>,
    /// What the network cards have taken in and sent; `None` where there are none, or the kernel does not tell.
    moved_bytes: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Osd,
    Monitor,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "ceph-osd" => Some(Self::Osd),
            "ceph-mon" => Some(Self::Monitor),
            _ => None,
        }
    }
}

impl Sample {
    /// Takes one now. What the kernel does not tell is left out.
    pub(super) fn take() -> Self {
        Self { processors: machine::present_cpu_time(), daemons: daemons(), moved_bytes: moved_bytes() }
    }

    /// What has been done since an earlier one, `span` ago.
    pub(super) fn since(&self, before: &Self, span: Duration) -> MachineFigures {
        let load = machine::present_load();
        let seconds = span.as_secs_f64().max(0.001);
        let rate = |count: u64| figure(count) / seconds;
        let busy = self.processors.busy.saturating_sub(before.processors.busy);
        let total = self.processors.total.saturating_sub(before.processors.total).max(1);
        let moved = self.moved_bytes.zip(before.moved_bytes);
        MachineFigures {
            processor_count: machine::cpu_count(),
            load: load.load,
            processors_percent: 100.0 * figure(busy) / figure(total),
            osds: self.taken(before, Kind::Osd, seconds),
            monitors: self.taken(before, Kind::Monitor, seconds),
            memory_total_mib: load.memory_used_mib + load.memory_free_mib,
            memory_used_mib: load.memory_used_mib,
            received_bytes_per_s: moved.map(|(now, then)| rate(now.0.saturating_sub(then.0))),
            sent_bytes_per_s: moved.map(|(now, then)| rate(now.1.saturating_sub(then.1))),
        }
    }

    /// What the daemons of a kind have taken; those that came or went meanwhile are left out.
    fn taken(&self, before: &Self, of: Kind, seconds: f64) -> Option<DaemonFigures> {
        let spans: Vec<u64> = self
            .daemons
            .iter()
            .filter(|((kind, _), _)| *kind == of)
            .filter_map(|(daemon, ticks)| Some(ticks.saturating_sub(*before.daemons.get(daemon)?)))
            .collect();
        let count = u32::try_from(spans.len()).unwrap_or(u32::MAX);
        let percent = 100.0 * figure(spans.iter().sum()) / ticks_per_second() / seconds;
        (count > 0).then_some(DaemonFigures { count, percent })
    }
}

/// A count as a figure for people, who need no more than 52 bits of it.
fn figure(count: u64) -> f64 {
    count as f64
}

fn ticks_per_second() -> f64 {
    let told = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    told.and_then(|ticks| u32::try_from(ticks).ok()).map_or(100.0, f64::from)
}

/// The daemons of Ceph's on this machine, with the ticks that each has taken.
fn daemons() -> BTreeMap<(Kind, u32), u64> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let process = |entry: std::fs::DirEntry| {
        let number = number(&entry)?;
        let (kind, ticks) = process(&std::fs::read_to_string(entry.path().join("stat")).ok()?)?;
        Some(((kind, number), ticks))
    };
    entries.filter_map(process).collect()
}

/// What a process is, and how many ticks it has taken for itself and in the kernel, from its `stat`.
fn process(stat: &str) -> Option<(Kind, u64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let kind = Kind::named(before.split_once('(')?.1)?;
    let mut fields = after.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((kind, user + system))
}

/// What the network cards have taken in and sent.
fn moved_bytes() -> Option<(u64, u64)> {
    let counters = Kernel::new(DEADLINE).counters().ok()?;
    let cards: Vec<_> = counters.iter().filter(|link| link.kind == LinkKind::Physical).collect();
    let sum = |of: fn(&crate::network::Counters) -> u64| cards.iter().map(|card| of(card)).sum();
    (!cards.is_empty()).then(|| (sum(|card| card.rx_bytes), sum(|card| card.tx_bytes)))
}

#[cfg(test)]
mod tests;
