//! What the operator's orders do to the world, and those about daemons and the store.

use logic::id::{NodeName, VmId, VmName};
use logic::vm::Power;

use super::{Break, World};
use crate::command::{Ask, Command, Fate, Misfortune, Reach, StorageAsk};
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
            Command::Network(node, mishap) => self.nets.befall(node, *mishap),
            Command::Storage(misfortune) => self.befall_storage(misfortune),
            Command::Devices(node, fate) => self.befall_devices(node, fate),
            machine if self.order_machine(machine) => {}
            site if self.order_site(site) => {}
            store => self.order_store(store),
        }
        self.aftermath();
    }

    fn befall_storage(&mut self, misfortune: &Misfortune) {
        let before = self.storage.contents();
        match misfortune {
            Misfortune::Hang => self.storage.hang(),
            Misfortune::Heal => {
                self.storage.heal();
                self.storage.make_room();
            }
            Misfortune::Full => self.storage.fill(),
            Misfortune::Refuse(count) => self.storage.refuse(*count, "it has a bad day"),
            Misfortune::LoseAnswers(count) => self.storage.lose_answers(*count),
            Misfortune::MadeByHand(volume) => drop(self.storage.make_by_hand(volume, 1 << 30)),
            Misfortune::RemovedByHand(volume) => self.storage.remove_by_hand(volume),
            Misfortune::HoldOsd(node) => {
                self.osd_of(node).into_iter().for_each(|osd| self.storage.hold_osd(osd))
            }
            Misfortune::LetOsdGo(node) => {
                self.osd_of(node).into_iter().for_each(|osd| self.storage.let_osd_go(osd));
            }
            Misfortune::BlockedByHand(node) => {
                if let Some(address) = self.address_of(node) {
                    self.storage.block_by_hand(address);
                    self.fencer.blocked_by_hand(address);
                }
            }
            Misfortune::UnblockedByHand(node) => {
                if let Some(address) = self.address_of(node) {
                    self.storage.unblock_by_hand(address);
                    self.fencer.freed_by_hand(address);
                }
            }
        }
        let after = self.storage.contents();
        self.keeper.befell(misfortune, &before, &after);
    }

    /// The OSD that the storage began with on a machine.
    fn osd_of(&self, node: &NodeName) -> Option<usize> {
        self.sites.keys().position(|name| name == node)
    }

    fn address_of(&self, node: &NodeName) -> Option<std::net::IpAddr> {
        self.sites.get(node).map(|site| site.address)
    }

    fn befall_devices(&mut self, node: &NodeName, fate: &Fate) {
        let Some(machine) = self.devices.get(node) else { return };
        self.stock.befell(node, fate);
        match fate {
            // It would be noticed on the device that an OSD lies on.
            Fate::Filled(path) if machine.is_borne(path) => {}
            Fate::New(path) => machine.add_device(path, "ACME disk", 2 << 40),
            Fate::Filled(path) => machine.fill_device(path, "a file system"),
            Fate::Lost(path) => machine.lose_device(path),
            Fate::Halted => machine.halt(),
            Fate::Rebuilt => machine.rebuild(),
            Fate::Fails(count) => machine.fail(*count),
        }
    }

    fn order_store(&self, command: &Command) {
        let reach = |reach: Reach| match reach {
            Reach::Gone => store::memory::Reach::Gone,
            Reach::Back => store::memory::Reach::There,
        };
        match command {
            Command::Store(is) => self.memory.set_reach(reach(*is)),
            Command::StoreOf(node, is) => self.memory.set_reach_of(node.as_str(), reach(*is)),
            Command::Election(span, sessions) => self.memory.elect(*span, *sessions),
            Command::LoseLeader(span, commit) => self.memory.lose_leader(*span, *commit),
            Command::LoseCommit(fault) => self.memory.fail_next_commit(*fault),
            _ => {}
        }
    }

    fn ask(&mut self, ask: &Ask) {
        let at = self.now();
        let answer = self.operator.ask(ask);
        if let (Ask::Storage(ask), Answer::Done(_) | Answer::Unknown(_)) = (ask, &answer) {
            self.keeper.asked(ask);
        }
        if let (Ask::Osd(ask), Answer::Done(_) | Answer::Unknown(_)) = (ask, &answer) {
            self.stock.asked(ask, self.operator.seen());
        }
        if let (Ask::RemoveWithVolumes { vm }, Answer::Done(_) | Answer::Unknown(_)) = (ask, &answer) {
            self.volumes_are_to_go(vm);
        }
        match answer {
            Answer::Done(vm) => {
                if let (Ask::Define { vm: name, .. } | Ask::Rename { to: name, .. }, Some(vm)) = (ask, vm) {
                    self.names.insert(vm, name.to_string());
                }
                self.judge.asked(ask, vm, at);
                self.asked_of_places(ask, vm);
            }
            Answer::Refused(why) => self.line(&format!("api refused: {why}")),
            Answer::Unknown(why) => {
                self.line(&format!("api does not know: {why}"));
                // It may have been about a node.
                self.judge.asked(ask, None, at);
                self.learn();
            }
        }
    }

    /// A VM's volumes are wished gone with it.
    fn volumes_are_to_go(&mut self, name: &VmName) {
        let found =
            self.operator.seen().find_vm(name.as_str()).map(|(_, entry)| entry.vm.value.volumes.clone());
        for used in found.unwrap_or_default() {
            self.keeper.asked(&StorageAsk::RemoveVolume { volume: used.path });
        }
    }

    /// What the API wrote of a VM's place may be written; anything else it wrote is the operator's own doing.
    fn asked_of_places(&mut self, ask: &Ask, vm: Option<VmId>) {
        let Some(vm) = vm else { return };
        let now = self.now();
        let relocates = matches!(ask, Ask::Move { .. } | Ask::Migrate { .. } | Ask::Unmigrate { .. });
        let after = self.operator.cluster().filter(|_| relocates);
        match after.as_ref().and_then(|cluster| cluster.vms.get(&vm)) {
            Some(entry) => {
                let judged = self.capacity.placed(self.operator.seen(), vm, &entry.vm.value, now);
                self.judge_by(judged);
            }
            None => self.capacity.asked(vm, now),
        }
    }

    /// After a request whose end is not known: what is wished is whatever the store says, as soon as it says anything.
    pub(super) fn learn(&mut self) {
        let cluster = self.operator.cluster();
        self.is_unsure = cluster.is_none();
        let (Some(cluster), at) = (cluster, self.now()) else { return };
        for (id, entry) in &cluster.vms {
            let wish = match entry.vm.value.wish.power {
                // What waits for its node to carry VMs again is wished to run.
                Power::Shutdown if entry.vm.value.parked => Wished::Running,
                Power::Start | Power::Restart => Wished::Running,
                Power::Remove => Wished::Gone,
                Power::Shutdown | Power::Stop | Power::Disable | Power::DisableNow => Wished::Down,
            };
            self.names.entry(*id).or_insert_with(|| entry.vm.value.name.to_string());
            self.judge.learn(*id, wish, at);
            self.capacity.asked(*id, at);
        }
        for id in
            self.judge.defined().into_iter().filter(|id| !cluster.vms.contains_key(id)).collect::<Vec<_>>()
        {
            self.judge.learn(id, Wished::Gone, at);
        }
    }

    pub(super) fn find(&self, name: &VmName) -> Option<VmId> {
        self.names.iter().rev().find(|(_, known)| known.as_str() == name.as_str()).map(|(id, _)| *id)
    }
}
