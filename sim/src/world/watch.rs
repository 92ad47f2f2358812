//! What every event leaves to do: chores that were rung for, lines of the log, judgement.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host::hypervisor::Guest;
use host::memory::Happening;
use host::osd::memory::{Entry, Laid};
use host::storage::memory::Contents;
use logic::id::{NodeName, VmId};
use logic::storage::osd::{OsdId, OsdUuid};
use logic::time::Span;

use super::World;
use super::nets::{Floats, NetNews};
use super::site::Site;
use crate::command::Place;
use crate::daemon::Chore;
use crate::invariants::fence::Shown;

/// How the ids of the VMs here begin; the operator makes them.
const ID_BEGIN: &str = "50000000-0000-4000-8000-";

/// How long an id is.
const ID_LENGTH: usize = 36;

/// All that steps can change, for telling whether one did: how often the store changed, and the guests.
#[derive(Debug, PartialEq)]
pub(super) struct Sum {
    changes: u64,
    guests: BTreeMap<NodeName, Vec<Guest>>,
    storage: Contents,
    members: BTreeMap<OsdId, Entry>,
    laid: Vec<BTreeMap<OsdUuid, Laid>>,
}

impl World {
    /// What every event leaves to do.
    pub(super) fn aftermath(&mut self) {
        self.answer_bells();
        self.write_ledgers();
        self.tell_of_networks();
        self.look_at_storage();
        self.look_at_osds();
        if self.is_unsure {
            self.learn();
        }
        let changes = self.memory.changes();
        if self.shown_changes == changes {
            return;
        }
        let Some((services, vms)) = self.operator.news() else { return };
        self.shown_changes = changes;
        let now = self.now();
        self.capacity.registered(self.operator.seen(), now);
        self.floating.is_due(self.operator.seen().primary.as_ref().map(|primary| &primary.value), now);
        for (name, state, node) in vms {
            self.counts.add("states", state);
            let node = node.map_or(String::new(), |node| format!(", on {node}"));
            self.line(&format!("api {name} is {state}{node}"));
        }
        self.tell_of_storage();
        let judged = self.keeper.look(&self.storage.contents(), self.operator.seen());
        self.judge_by(judged);
        self.look_at_osds();
        self.look_at_fences();
        let roles = self.operator.role_news();
        for (node, state) in services.into_iter().chain(roles) {
            self.counts.add("services", state);
            self.line(&format!("api node {node} is {state}"));
        }
    }

    /// What the storage has, whenever it may have changed.
    fn look_at_storage(&mut self) {
        let calls = self.storage.calls();
        if std::mem::replace(&mut self.storage_calls, calls) == calls {
            return;
        }
        let judged = self.keeper.look(&self.storage.contents(), self.operator.seen());
        self.judge_by(judged);
        self.look_at_fences();
    }

    /// Who is blocked at the storage, and what the records say of it. Nothing is judged by records that are old.
    fn look_at_fences(&mut self) {
        let Some(cluster) = self.operator.cluster() else { return };
        let machine = |(node, site): (&NodeName, &Site)| {
            let boot = host::machine::Machine::node(&*site.machine).boot;
            (node.clone(), (site.address, (!site.is_off).then_some(boot)))
        };
        let shown = Shown {
            blocked: self.storage.blocked(),
            everywhere: self.storage.blocked_everywhere(),
            writing: self.storage.addresses_of_the_living(),
            machines: self.sites.iter().map(machine).collect(),
        };
        let blocked = self.sites.values().filter(|site| shown.blocked.contains(&site.address));
        for guest in blocked.flat_map(|site| site.machine.guests()) {
            let has_volumes =
                cluster.vms.get(&guest.vm).is_some_and(|entry| !entry.vm.value.volumes.is_empty());
            if let Some(incarnation) = guest.incarnation.filter(|_| has_volumes) {
                self.judge.cut_off(guest.vm, incarnation);
            }
        }
        let judged = self.fencer.look(&shown, &cluster);
        self.judge_by(judged);
    }

    /// What OSDs there are, whenever that may have changed.
    fn look_at_osds(&mut self) {
        let judged = self.stock.look(self.storage.members(), &self.devices, self.operator.seen());
        self.judge_by(judged);
    }

    /// What is shown of pools and volumes, where it differs from the last time.
    fn tell_of_storage(&mut self) {
        for line in self.operator.storage_news() {
            self.line(&format!("api {line}"));
        }
    }

    /// What happened to addresses, and whether it may.
    fn tell_of_networks(&mut self) {
        let now = self.now();
        for NetNews { node, line, floating } in self.nets.news() {
            self.line(&line);
            let judged = match floating {
                Some(Floats::Came) => {
                    let cluster = self.operator.cluster();
                    let cluster = cluster.as_deref().unwrap_or(self.operator.seen());
                    let role = cluster.primary.as_ref().map(|primary| &primary.value);
                    self.floating.came(&node, role, now)
                }
                Some(Floats::Went) => {
                    self.floating.went(&node);
                    Ok(())
                }
                None => Ok(()),
            };
            self.judge_by(judged);
        }
        let judged = self.floating.at(now);
        self.judge_by(judged);
    }

    /// Sets the chores on their way that daemons were rung for.
    fn answer_bells(&mut self) {
        let rung: Vec<(Place, Chore)> = self
            .daemons
            .iter()
            .filter(|(_, daemon)| daemon.was_rung())
            .flat_map(|(place, daemon)| {
                let chores = [
                    Chore::Pump,
                    Chore::Look,
                    Chore::LookAtMoves,
                    Chore::LookAtNetworks,
                    Chore::Measure,
                    Chore::Pass,
                ];
                chores.into_iter().filter(|chore| daemon.heard(*chore)).map(|chore| (place.clone(), chore))
            })
            .collect();
        for (place, chore) in rung {
            let mut at = self.now() + self.chance.to_wake();
            if chore == Chore::Pump {
                let late = self.sites.get(&place.node).map_or(Span::default(), |site| site.late);
                at = at + self.chance.up_to(late);
            }
            self.due(&place, chore, at);
        }
    }

    fn write_ledgers(&mut self) {
        let mut news = Vec::new();
        for (node, site) in &mut self.sites {
            let entries = site.machine.ledger_after(site.written);
            site.written += entries.len();
            news.push((node.clone(), entries));
        }
        // By post-copy a guest stops here and goes on there at one moment, and in this order.
        news.sort_by_key(|(_, entries)| entries.iter().any(|entry| entry.happening == Happening::Arrived));
        let each =
            |(node, entries): (NodeName, Vec<_>)| entries.into_iter().map(move |entry| (node.clone(), entry));
        for (node, entry) in news.into_iter().flat_map(each) {
            let mark = entry.incarnation.map_or("not PVC's".to_owned(), |mark| format!("incarnation {mark}"));
            let what = match entry.happening {
                Happening::Began => "began".to_owned(),
                Happening::Ended(end) => format!("ended: {end:?}"),
                Happening::Received => "is received".to_owned(),
                Happening::Arrived => "arrived".to_owned(),
                Happening::Halted => "stands still".to_owned(),
                Happening::Resumed => "goes on".to_owned(),
                Happening::Left => "left".to_owned(),
                Happening::Torn => "is torn".to_owned(),
            };
            self.line(&format!("{node} the guest of {} ({mark}) {what}", entry.vm));
            let volumes = self.operator.seen().vms.get(&entry.vm).map(|vm| vm.vm.value.volumes.clone());
            let volumes: Vec<_> = volumes.unwrap_or_default().into_iter().map(|used| used.path).collect();
            if let Some(site) = self.sites.get(&node) {
                self.holds.happened((&node, site.address), &entry, &volumes);
            }
            let judged = self.judge.happened(&node, &entry);
            self.judge_by(judged);
        }
    }

    pub(super) fn judge_by(&mut self, judged: Result<(), String>) {
        if let Err(why) = judged {
            let why = self.named(&why);
            self.line(&format!("VIOLATION {why}"));
            self.violation.get_or_insert(why);
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        let age = self.age().0;
        let text = self.named(text);
        let _infallible = writeln!(self.log, "{:>5}.{:03} {text}", age / 1000, age % 1000);
    }

    /// VMs by their names.
    pub(super) fn named(&self, text: &str) -> String {
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(ID_BEGIN) {
            let (before, at) = rest.split_at(begin);
            let id =
                at.get(..ID_LENGTH).and_then(|id| Some((id, self.names.get(&id.parse::<VmId>().ok()?)?)));
            named.push_str(before);
            named.push_str(id.map_or(ID_BEGIN, |(_, name)| name));
            rest = &at[id.map_or(ID_BEGIN.len(), |_| ID_LENGTH)..];
        }
        named.push_str(rest);
        named
    }

    /// Everything that steps can change, as it is now.
    pub(super) fn sum(&self) -> Sum {
        let guests = self.sites.iter().map(|(node, site)| (node.clone(), site.machine.guests())).collect();
        Sum {
            changes: self.memory.changes(),
            guests,
            storage: self.storage.contents(),
            members: self.storage.members().entries(),
            laid: self.devices.values().map(|machine| machine.laid()).collect(),
        }
    }
}
