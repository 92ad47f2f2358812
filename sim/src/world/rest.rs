//! The end of a story: the faults end, every wish comes true, and nothing is left to do.

use std::collections::BTreeSet;

use logic::cluster::{Cluster, VmEntry};
use logic::id::{NodeName, VmId};
use logic::node::drain::{DomainState, domain_states, is_drained};
use logic::primary::is_candidate;
use logic::task::TaskState;
use logic::time::Span;
use logic::vm::{State, shown_state};

use super::World;
use super::site::Site;
use crate::command::{Ask, Command, Kind, Place, Reach};
use crate::daemon::Chore;
use crate::invariants::Wished;

/// How long nothing may be done before the world counts as at rest: longer than any daemon sleeps.
const CALM: Span = Span::seconds(12);

/// How often it is looked whether it rests.
const LOOK: Span = Span::seconds(2);

/// How much longer than its silence it may take until a hung primary is succeeded.
const SUCCESSION: Span = Span::seconds(30);

/// What becomes of nodes that are flushed when the faults end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are to carry VMs again.
    Ready,
    /// They stay as they were wished.
    AsWished,
}

impl World {
    /// Ends every fault: daemons run, hypervisors and the store answer, strangers are gone.
    pub fn heal(&mut self, ending: Ending) {
        self.line("* every fault ends");
        self.breaks.clear();
        self.memory.heal();
        self.wires.mend_all();
        for node in self.sites.keys().cloned().collect::<Vec<_>>() {
            self.switch_on(&node);
            self.set_late(&node, Span::default());
        }
        self.wires.apply(&self.sites);
        for (node, Site { machine, .. }) in &self.sites {
            machine.heal();
            let strangers: Vec<_> =
                machine.guests().into_iter().filter(|guest| guest.incarnation.is_none()).collect();
            for stranger in strangers {
                self.judge.ended_by_hand(node, stranger.vm);
                machine.stop_by_hand(stranger.vm);
            }
        }
        self.nets.heal();
        self.storage.heal();
        self.storage.make_room();
        self.storage.refuse(0, "");
        self.storage.lose_answers(0);
        self.devices.values().for_each(|machine| machine.fail(0));
        (0..self.sites.len()).for_each(|osd| self.storage.let_osd_go(osd));
        let hung = self.hung_primary();
        let until = self.now() + self.succession();
        for (place, daemon) in &mut self.daemons {
            daemon.stalled_until = None;
            daemon.hangs_until = (hung.as_ref() == Some(place)).then_some(until);
        }
        let woken = |place: &Place| hung.as_ref() != Some(place);
        let (now, woken) = (self.now(), self.daemons.keys().filter(|place| woken(place)).cloned());
        for place in woken.collect::<Vec<_>>() {
            // Its pass was put off until the end of what it suffered.
            if let Some(daemon) = self.daemons.get_mut(&place) {
                daemon.due.remove(&Chore::Pass);
            }
            self.due(&place, Chore::Pass, now);
        }
        self.hung = hung;
        for place in self.places() {
            self.run(&place);
        }
        self.order(&Command::Store(Reach::Back));
        let all = self.sites.keys().filter(|_| ending == Ending::Ready).cloned().collect::<Vec<_>>();
        for node in all {
            self.order(&Command::Ask(Ask::Ready { node }));
        }
    }

    /// Lets time pass until every wish has come true and the daemons do nothing more, but no longer than `most`.
    ///
    /// # Errors
    /// What has not come true.
    pub fn come_to_rest(&mut self, most: Span) -> Result<(), String> {
        self.be_succeeded()?;
        let end = self.now() + most;
        loop {
            // As systemd would: one that was still stopping when the faults ended is started again.
            self.places().iter().for_each(|place| self.run(place));
            self.run_until(Span(self.age().0 + LOOK.0));
            if let Some(violation) = &self.violation {
                return Err(violation.clone());
            }
            match self.at_rest() {
                Ok(()) => return Ok(()),
                Err(why) if self.now() >= end => {
                    let why = self.named(&why);
                    self.line(&format!("VIOLATION in the end: {why}"));
                    return Err(why);
                }
                Err(_) => {}
            }
        }
    }

    /// The daemon that holds the role and whose loop hangs, where somebody else can take it. It goes on hanging until
    /// somebody has.
    fn hung_primary(&self) -> Option<Place> {
        let cluster = self.operator.cluster()?;
        let place = Place { kind: Kind::Noded, node: cluster.primary.as_ref()?.value.node.clone() };
        let hangs = self.daemons.get(&place)?.hangs_until.is_some_and(|until| until > self.now());
        (hangs && self.sites.len() > 1).then_some(place)
    }

    /// How long it may take until a hung primary is succeeded: others may have started just now.
    fn succession(&self) -> Span {
        Span(self.timers.primary_silence_max.0 + SUCCESSION.0)
    }

    /// A primary that hangs is succeeded while it does.
    fn be_succeeded(&mut self) -> Result<(), String> {
        let Some(place) = self.hung.take() else { return Ok(()) };
        self.counts.add("faults", "primary-hangs-on");
        self.run_until(Span(self.age().0 + self.succession().0));
        let cluster = self.operator.cluster().ok_or("the store does not answer")?;
        let holder = cluster.primary.as_ref().map(|primary| &primary.value.node);
        if self.violation.is_none() && holder == Some(&place.node) {
            let judged = Err(format!("{place} hangs, and nobody takes the primary role from it"));
            self.judge_by(judged);
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// One node is primary, nothing of a handover is left, and the floating address is at that node alone.
    fn role_rests(&self, cluster: &Cluster) -> Result<(), String> {
        let primary = cluster.primary.as_ref().map(|primary| &primary.value).ok_or("nobody is primary")?;
        if primary.handover.is_some() || primary.former.is_some() || !is_candidate(cluster, &primary.node) {
            return Err(format!("the role is not settled: {primary:?}"));
        }
        if self.nets.are_made() && self.floating.holder() != Some(&primary.node) {
            return Err(format!("{} is primary, and the address is at {:?}", primary.node, self.floating));
        }
        Ok(())
    }

    fn at_rest(&self) -> Result<(), String> {
        let cluster = self.operator.cluster().ok_or("the store does not answer")?;
        let parked = parked(&cluster);
        self.judge.fulfilled(self.sites.values().map(|site| &*site.machine), &parked)?;
        self.vms_rest(&cluster, &parked)?;
        let unfinished = |(_, entry): &(_, &std::sync::Arc<logic::cluster::TaskEntry>)| {
            entry.fact.as_ref().is_none_or(|fact| fact.value.state == TaskState::Running)
        };
        if let Some((id, _)) = cluster.tasks.iter().find(unfinished) {
            return Err(format!("task {id} is not done"));
        }
        let is_wished = |node: &NodeName, state: DomainState| {
            let drained = cluster.nodes.get(node).is_some_and(|entry| is_drained(entry));
            state == if drained { DomainState::Flushed } else { DomainState::Ready }
        };
        if let Some((node, state)) =
            domain_states(&cluster).iter().find(|(node, state)| !is_wished(node, **state))
        {
            return Err(format!("node {node} is {}", state.as_str()));
        }
        self.keeper.rests(&self.storage.contents(), &cluster)?;
        self.stock.rests(self.storage.members(), &self.devices, &cluster)?;
        if let Some((node, _)) = cluster.fences.iter().find(|(_, block)| block.value.stands()) {
            return Err(format!("{node} is still blocked at the storage: {:?}", cluster.fences.get(node)));
        }
        if let Some(address) = self.storage.blocked().first() {
            return Err(format!("{address} is blocked at the storage, and nobody is fenced"));
        }
        self.role_rests(&cluster)?;
        if self.now() - self.last_work < CALM {
            return Err("the daemons go on doing things".into());
        }
        Ok(())
    }

    /// Every VM is as it is wished, and shown so.
    fn vms_rest(&self, cluster: &Cluster, parked: &BTreeSet<VmId>) -> Result<(), String> {
        for (id, entry) in &cluster.vms {
            let (wish, shown) = (self.judge.wish(*id), shown_state(entry));
            let agrees = match shown {
                State::Start => wish == Some(Wished::Running),
                State::Stop if parked.contains(id) => true,
                State::Stop | State::Disable => wish == Some(Wished::Down),
                _ => false,
            };
            if !agrees {
                return Err(format!("{id} is wished {wish:?} and shown as {}", shown.as_str()));
            }
        }
        match self.judge.defined().iter().find(|id| !cluster.vms.contains_key(*id)) {
            Some(id) => Err(format!("the definition of {id} is lost")),
            None => Ok(()),
        }
    }
}

/// The VMs that wait for their node, which is flushed, to carry VMs again: no other could take them.
fn parked(cluster: &Cluster) -> BTreeSet<VmId> {
    let waits = |entry: &VmEntry| {
        let node = cluster.nodes.get(&entry.vm.value.node);
        entry.vm.value.parked && node.is_some_and(|node| is_drained(node))
    };
    cluster.vms.iter().filter(|(_, entry)| waits(entry)).map(|(id, _)| *id).collect()
}
