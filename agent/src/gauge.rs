//! How busy this machine is: load and memory of now, and the rates of the processors and interfaces over one keepalive.
//!
//! Samples are taken on a thread of their own. The keepalive takes the latest and waits for none: what could not be
//! read stays as it was, and its age tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use host::clock::Clock;
use host::machine::Machine;
use host::network::{Counters, LinkKind, LinkName, LinkState, Network};
use logic::node::traffic::{Counted, Sample, Window};
use logic::observed::Gauged;
use logic::time::Span;

/// The network cards whose traffic is read.
#[derive(Clone, Debug)]
pub struct Cards {
    /// Where they are.
    pub network: Arc<dyn Network>,
    /// Those that are configured, whatever they are made of; the physical ones are read without being named.
    pub named: BTreeSet<LinkName>,
}

/// Takes samples and keeps what they amount to.
#[derive(Debug)]
pub struct Gauge {
    machine: Arc<dyn Machine>,
    cards: Option<Cards>,
    clock: Arc<dyn Clock>,
    window: Mutex<Window>,
    latest: Mutex<Gauged>,
}

impl Gauge {
    /// Nothing has been read yet. Rates are averages over `window`; without `cards`, interfaces are not looked at.
    pub fn new(machine: Arc<dyn Machine>, cards: Option<Cards>, clock: Arc<dyn Clock>, window: Span) -> Self {
        let window = Mutex::new(Window::new(window));
        Self { machine, cards, clock, window, latest: Mutex::default() }
    }

    /// Reads the machine now, and keeps what is read. What cannot be read of the interfaces stays as it was.
    pub fn sample(&self) {
        // The counters come first, as they alone may be late: the moment is that of what was read after them.
        let counted = self.interfaces();
        let (cpu, load) = (self.machine.cpu_time(), self.machine.load());
        let at = self.clock.now().boot;
        let mut window = self.window.lock().expect("no sample panics while it holds this");
        let mut latest = self.latest.lock().expect("no sample panics while it holds this");
        let known = counted.is_some();
        window.add(at, Sample { cpu, interfaces: counted.unwrap_or_default() });
        latest.at = Some(at);
        latest.load = load;
        latest.cpu_percent = window.cpu_percent();
        if known {
            latest.interfaces = window.interfaces();
        }
    }

    /// What was read last.
    pub fn latest(&self) -> Gauged {
        self.latest.lock().expect("no sample panics while it holds this").clone()
    }

    /// The physical and the configured interfaces, by name; `None` where the kernel does not tell.
    fn interfaces(&self) -> Option<BTreeMap<String, Counted>> {
        let Some(Cards { network, named }) = &self.cards else { return Some(BTreeMap::new()) };
        match network.counters() {
            Ok(counters) => {
                let is_card =
                    |link: &&Counters| link.kind == LinkKind::Physical || named.contains(&link.link);
                Some(counters.iter().filter(is_card).map(counted).collect())
            }
            Err(error) => {
                tracing::warn!(%error, "the interfaces' counters are not known now");
                None
            }
        }
    }
}

fn counted(link: &Counters) -> (String, Counted) {
    let counted = Counted {
        rx_bytes: link.rx_bytes,
        rx_packets: link.rx_packets,
        tx_bytes: link.tx_bytes,
        tx_packets: link.tx_packets,
        speed_mbit: link.speed_mbit,
        up: link.state == LinkState::Up,
    };
    (link.link.as_str().to_owned(), counted)
}

#[cfg(test)]
mod tests;
