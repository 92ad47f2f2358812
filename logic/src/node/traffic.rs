//! How busy a machine was of late: rates made of counters, over the latest samples and no further back than one window.
//!
//! Counters only grow; one that is less than before was begun anew, and what it lost is not known: that pair of samples
//! counts for nothing.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::time::{BootTime, Span};

/// How long the processors have worked since the machine started, in any unit that is the same for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Not idle.
    pub busy: u64,
    /// In all.
    pub total: u64,
}

/// What went through an interface since it exists, and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Its speed in Mbit/s, where it has one.
    pub speed_mbit: Option<u32>,
    /// Whether it carries anything.
    pub up: bool,
}

/// One sample of all counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The processors.
    pub cpu: CpuTime,
    /// The interfaces, by name.
    pub interfaces: BTreeMap<String, Counted>,
}

/// How busy an interface was, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Bits received.
    pub rx_bps: u64,
    /// Packets received.
    pub rx_pps: u64,
    /// Bits sent.
    pub tx_bps: u64,
    /// Packets sent.
    pub tx_pps: u64,
    /// Its speed in Mbit/s, where it has one.
    pub speed_mbit: Option<u32>,
    /// Whether it carries anything.
    pub up: bool,
}

/// The latest samples, over one window.
#[derive(Clone, Debug)]
pub struct Window {
    length: Span,
    samples: VecDeque<(BootTime, Sample)>,
}

impl Window {
    /// An empty one of this length.
    pub fn new(length: Span) -> Self {
        Self { length, samples: VecDeque::new() }
    }

    /// Adds a sample, and forgets those that are older than the window; the first that is keeps its end.
    pub fn add(&mut self, at: BootTime, sample: Sample) {
        self.samples.push_back((at, sample));
        while self.samples.get(1).is_some_and(|(second, _)| at - *second >= self.length) {
            self.samples.pop_front();
        }
    }

    /// How much of the processors' time was work, in percent; zero while there is only one sample.
    pub fn cpu_percent(&self) -> f64 {
        let (mut busy, mut total) = (0, 0);
        for ((_, before), (_, after)) in self.pairs() {
            if after.cpu.total > before.cpu.total && after.cpu.busy >= before.cpu.busy {
                busy += after.cpu.busy - before.cpu.busy;
                total += after.cpu.total - before.cpu.total;
            }
        }
        percent(busy, total)
    }

    /// Every interface of the latest sample.
    pub fn interfaces(&self) -> BTreeMap<String, Interface> {
        let Some((_, latest)) = self.samples.back() else { return BTreeMap::new() };
        latest.interfaces.iter().map(|(name, now)| (name.clone(), self.interface(name, now))).collect()
    }

    fn interface(&self, name: &str, now: &Counted) -> Interface {
        let (mut grown, mut span) = (Counted::default(), Span::default());
        for ((begin, before), (end, after)) in self.pairs() {
            let (Some(before), Some(after)) = (before.interfaces.get(name), after.interfaces.get(name))
            else {
                continue;
            };
            let Some(more) = after.since(before) else { continue };
            grown.rx_bytes += more.rx_bytes;
            grown.rx_packets += more.rx_packets;
            grown.tx_bytes += more.tx_bytes;
            grown.tx_packets += more.tx_packets;
            span = Span(span.0 + (*end - *begin).0);
        }
        Interface {
            rx_bps: per_second(grown.rx_bytes.saturating_mul(8), span),
            rx_pps: per_second(grown.rx_packets, span),
            tx_bps: per_second(grown.tx_bytes.saturating_mul(8), span),
            tx_pps: per_second(grown.tx_packets, span),
            speed_mbit: now.speed_mbit,
            up: now.up,
        }
    }

    /// Each sample with the one after it.
    fn pairs(&self) -> impl Iterator<Item = (&(BootTime, Sample), &(BootTime, Sample))> {
        self.samples.iter().zip(self.samples.iter().skip(1))
    }
}

impl Counted {
    /// By how much every counter has grown; `None` where one has not.
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            rx_bytes: self.rx_bytes.checked_sub(before.rx_bytes)?,
            rx_packets: self.rx_packets.checked_sub(before.rx_packets)?,
            tx_bytes: self.tx_bytes.checked_sub(before.tx_bytes)?,
            tx_packets: self.tx_packets.checked_sub(before.tx_packets)?,
            ..*self
        })
    }
}

fn per_second(count: u64, span: Span) -> u64 {
    count.saturating_mul(1000).checked_div(span.0).unwrap_or_default()
}

/// With one decimal, so that equal looks give equal texts.
#[expect(clippy::cast_precision_loss, reason = "a thousand is exact, and what is shown has one decimal")]
fn percent(part: u64, whole: u64) -> f64 {
    let thousandths = u128::from(part) * 1000 / u128::from(whole.max(1));
    u64::try_from(thousandths).unwrap_or(u64::MAX).min(1000) as f64 / 10.0
}

#[cfg(test)]
mod tests;
