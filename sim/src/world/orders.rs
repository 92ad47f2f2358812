//! What each order does to the world.

use logic::id::{VmId, VmName};
use logic::vm::Power;

use super::{Break, World};
use crate::command::{Ask, Blow, Command, Mishap, Reach};
use crate::daemon::Chore;
use crate::invariants::Wished;
use crate::operator::Answer;

impl World {
    /// Carries out an order now.
    pub fn order(&mut self, command: &Command) {
        self.counts.add("faults", &command.name());
        self.line(&format!("* {command}"));
        match command {
            Command::Ask(ask) => self.ask(ask),
            Command::Run(place) => self.run(place),
            Command::Stop(place) => {
                if let Some(daemon) = self.daemons.get_mut(place) {
                    daemon.stop();
                }
            }
            Command::Befalls(place, blow) => self.befall(place, *blow),
            Command::Break { place, moment, step, blow } => {
                let (place, step) = (place.clone(), step.clone());
                self.breaks.push(Break { place, moment: *moment, step, blow: *blow });
            }
            Command::Store(Reach::Gone) => self.memory.set_reach(store::memory::Reach::Gone),
            Command::Store(Reach::Back) => self.memory.set_reach(store::memory::Reach::There),
            Command::LoseCommit(fault) => self.memory.fail_next_commit(*fault),
            Command::Network(node, mishap) => self.nets.befall(node, *mishap),
            machine => self.order_machine(machine),
        }
        self.aftermath();
    }

    fn order_machine(&mut self, command: &Command) {
        let machines = self.machines.clone();
        let machine = |node| machines.get(node).cloned();
        match command {
            Command::Crash(vm) => self.each_machine_with(vm, |machine, vm| machine.crash(vm)),
            Command::Button(vm, button) => {
                let button = *button;
                self.each_machine_with(vm, |machine, vm| machine.set_power_button(vm, button));
            }
            Command::StartByHand(node, name) => {
                if let (Some(machine), Some(vm)) = (machine(node), self.find(name)) {
                    machine.start_by_hand(vm, name.as_str());
                }
            }
            Command::StopByHand(name) => {
                let Some(vm) = self.find(name) else { return };
                for (node, machine) in machines.iter().filter(|(_, machine)| runs(machine, vm)) {
                    self.judge.ended_by_hand(node, vm);
                    machine.stop_by_hand(vm);
                }
            }
            Command::RefuseStarts(node, count) => {
                machine(node).into_iter().for_each(|machine| machine.refuse_starts(*count, "no such disk"));
            }
            Command::Hang(node, late) => machine(node).into_iter().for_each(|machine| machine.hang(*late)),
            Command::Cut(node) => {
                machine(node).into_iter().for_each(|machine| machine.cut("connection refused"))
            }
            Command::Heal(node) => machine(node).into_iter().for_each(|machine| machine.heal()),
            Command::LoseAnswers(node, count) => {
                machine(node).into_iter().for_each(|machine| machine.lose_answers(*count));
            }
            Command::LoseWakes(node, count) => {
                machine(node).into_iter().for_each(|machine| machine.lose_wakes(*count));
            }
            Command::CutPower(node) => {
                let places: Vec<_> = self.places().into_iter().filter(|place| place.node == *node).collect();
                places.iter().for_each(|place| self.befall(place, Blow::Kill));
                machine(node).into_iter().for_each(|machine| machine.cut_power());
                self.nets.befall(node, Mishap::PowerCut);
                places.iter().for_each(|place| self.run(place));
            }
            Command::Grow(node, memory_mib) => {
                if let Some(machine) = machine(node) {
                    let node = host::machine::Machine::node(&*machine);
                    machine.set_node(logic::node::Node { memory_total_mib: *memory_mib, ..node });
                }
                self.daemons.values().for_each(|daemon| daemon.ring(Chore::Pass));
            }
            Command::Ask(_)
            | Command::Run(_)
            | Command::Stop(_)
            | Command::Befalls(..)
            | Command::Break { .. }
            | Command::Store(_)
            | Command::Network(..)
            | Command::LoseCommit(_) => {}
        }
    }

    fn ask(&mut self, ask: &Ask) {
        let at = self.now();
        match self.operator.ask(ask) {
            Answer::Done(vm) => {
                if let (Ask::Define { vm: name, .. } | Ask::Rename { to: name, .. }, Some(vm)) = (ask, vm) {
                    self.names.insert(vm, name.to_string());
                }
                self.judge.asked(ask, vm, at);
            }
            Answer::Refused(why) => self.line(&format!("api refused: {why}")),
            Answer::Unknown(why) => {
                self.line(&format!("api does not know: {why}"));
                self.learn();
            }
        }
    }

    /// After a request whose end is not known: what is wished is whatever the store says.
    fn learn(&mut self) {
        let Some(cluster) = self.operator.cluster() else { return };
        let at = self.now();
        for (id, entry) in &cluster.vms {
            let wish = match entry.vm.value.wish.power {
                Power::Start | Power::Restart => Wished::Running,
                Power::Remove => Wished::Gone,
                Power::Shutdown | Power::Stop | Power::Disable | Power::DisableNow => Wished::Down,
            };
            self.names.entry(*id).or_insert_with(|| entry.vm.value.name.to_string());
            self.judge.learn(*id, wish, at);
        }
        for id in
            self.judge.defined().into_iter().filter(|id| !cluster.vms.contains_key(id)).collect::<Vec<_>>()
        {
            self.judge.learn(id, Wished::Gone, at);
        }
    }

    fn find(&self, name: &VmName) -> Option<VmId> {
        self.names.iter().rev().find(|(_, known)| known.as_str() == name.as_str()).map(|(id, _)| *id)
    }

    fn each_machine_with(&self, name: &VmName, act: impl Fn(&host::memory::Machine, VmId)) {
        if let Some(vm) = self.find(name) {
            self.machines.values().for_each(|machine| act(machine, vm));
        }
    }
}

fn runs(machine: &host::memory::Machine, vm: VmId) -> bool {
    machine.guests().iter().any(|guest| guest.vm == vm)
}
