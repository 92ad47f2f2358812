//! What orders do to machines: to their hypervisors and guests, their power, their cables and their clocks.

use std::sync::Arc;

use logic::id::{NodeName, VmId, VmName};
use logic::node::Node;
use logic::time::Span;

use super::{Event, World, places_of};
use crate::command::{Blow, Command, Mishap};
use crate::daemon::Chore;

impl World {
    /// An order about a hypervisor or a guest. False when it is another one.
    pub(super) fn order_machine(&mut self, command: &Command) -> bool {
        match command {
            Command::Crash(vm) => self.each_machine_with(vm, |machine, vm| machine.crash(vm)),
            Command::CrashUnseen(vm) => self.each_machine_with(vm, |machine, vm| machine.crash_unseen(vm)),
            Command::Button(vm, button) => {
                let button = *button;
                self.each_machine_with(vm, |machine, vm| machine.set_power_button(vm, button));
            }
            Command::StartByHand(node, name) => {
                let powered = self.sites.get(node).filter(|site| !site.is_off);
                if let (Some(site), Some(vm)) = (powered, self.find(name)) {
                    site.machine.start_by_hand(vm, name.as_str());
                }
            }
            Command::StopByHand(name) => self.stop_by_hand(name),
            Command::RefuseStarts(node, count) => {
                self.at_machine(node, |machine| machine.refuse_starts(*count, "no such disk"));
            }
            Command::Hang(node, late) => self.at_machine(node, |machine| machine.hang(*late)),
            Command::Cut(node) => self.at_machine(node, |machine| machine.cut("connection refused")),
            Command::Heal(node) => self.at_machine(node, host::memory::Machine::heal),
            Command::LoseAnswers(node, count) => {
                self.at_machine(node, |machine| machine.lose_answers(*count));
            }
            Command::LoseWakes(node, count) => self.at_machine(node, |machine| machine.lose_wakes(*count)),
            Command::Grow(node, memory_total_mib) => {
                self.rebuild(node, |node| Node { memory_total_mib: *memory_total_mib, ..node });
            }
            Command::Processors(node, cpu_count) => {
                self.rebuild(node, |node| Node { cpu_count: *cpu_count, ..node });
            }
            _ => return false,
        }
        true
    }

    /// Makes another machine of it, and wakes the daemons.
    fn rebuild(&mut self, node: &NodeName, change: impl FnOnce(Node) -> Node) {
        self.at_machine(node, |machine| machine.set_node(change(host::machine::Machine::node(machine))));
        self.daemons.values().for_each(|daemon| daemon.ring(Chore::Pass));
    }

    /// An order about power, cables or clocks. False when it is another one.
    pub(super) fn order_site(&mut self, command: &Command) -> bool {
        match command {
            Command::CutPower(nodes) => {
                nodes.iter().for_each(|node| self.lose_power(node));
                nodes.iter().for_each(|node| self.run_all(node));
            }
            Command::PowerOff(nodes) => self.switch_off(nodes),
            Command::PowerOn(nodes) => nodes.iter().for_each(|node| self.switch_on(node)),
            Command::CutCable(one, other) => {
                self.wires.cut(one, other);
                self.wires.apply(&self.sites);
            }
            Command::HealCable(one, other) => {
                self.wires.mend(one, other);
                self.wires.apply(&self.sites);
            }
            Command::BreakMove(fault) => self.wires.network().order(fault.clone()),
            Command::Busy(name) => {
                self.find(name).into_iter().for_each(|vm| self.wires.network().set_busy(vm));
            }
            Command::Restless(name) => {
                self.find(name).into_iter().for_each(|vm| self.wires.network().set_restless(vm));
            }
            Command::Slow(node, span) => self.set_late(node, *span),
            Command::Wall(node, ahead_ms) => {
                self.sites.get(node).into_iter().for_each(|site| site.clock.step_wall(*ahead_ms));
            }
            Command::Drift(node, drift_ppm) => {
                self.sites.get(node).into_iter().for_each(|site| site.clock.set_drift(*drift_ppm));
            }
            Command::Uptime(node, span) => {
                self.sites.get(node).into_iter().for_each(|site| site.clock.set_uptime(*span));
            }
            _ => return false,
        }
        true
    }

    /// Its daemons and guests are gone, and so is what waited in its hypervisor's socket.
    fn lose_power(&mut self, node: &NodeName) {
        let Some(site) = self.sites.get(node).cloned() else { return };
        places_of(node).iter().for_each(|place| self.befall(place, Blow::Kill));
        self.events.retain(|_, event| !matches!(event, Event::Act(work) if work.place.node == *node));
        self.nets.befall(node, Mishap::PowerCut);
        self.devices.get(node).into_iter().for_each(|machine| machine.switch_off());
        site.lose_power();
    }

    fn run_all(&mut self, node: &NodeName) {
        self.devices.get(node).into_iter().for_each(|machine| machine.switch_on());
        places_of(node).iter().for_each(|place| self.run(place));
    }

    /// Their cables fall silent first: nobody hears them die.
    fn switch_off(&mut self, nodes: &[NodeName]) {
        for node in nodes {
            self.sites.get_mut(node).into_iter().for_each(|site| site.is_off = true);
        }
        self.wires.apply(&self.sites);
        nodes.iter().for_each(|node| self.lose_power(node));
    }

    /// Nothing happens where it has power.
    pub(super) fn switch_on(&mut self, node: &NodeName) {
        let Some(site) = self.sites.get_mut(node).filter(|site| site.is_off) else { return };
        site.is_off = false;
        site.clock.reboot();
        self.wires.apply(&self.sites);
        self.run_all(node);
    }

    /// How late a machine hears of changes.
    pub(super) fn set_late(&mut self, node: &NodeName, late: Span) {
        self.sites.get_mut(node).into_iter().for_each(|site| site.late = late);
    }

    fn stop_by_hand(&mut self, name: &VmName) {
        let Some(vm) = self.find(name) else { return };
        for (node, site) in self.sites.iter().filter(|(_, site)| runs(&site.machine, vm)) {
            self.judge.ended_by_hand(node, vm);
            site.machine.stop_by_hand(vm);
        }
    }

    fn at_machine(&self, node: &NodeName, act: impl FnOnce(&host::memory::Machine)) {
        if let Some(site) = self.sites.get(node) {
            act(&site.machine);
        }
    }

    fn each_machine_with(&self, name: &VmName, act: impl Fn(&host::memory::Machine, VmId)) {
        if let Some(vm) = self.find(name) {
            self.sites.values().for_each(|site| act(&site.machine, vm));
        }
    }
}

fn runs(machine: &Arc<host::memory::Machine>, vm: VmId) -> bool {
    machine.guests().iter().any(|guest| guest.vm == vm)
}
