//! A machine in memory as a world.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host::osd::memory::{Loss, Machine, Members};
use host::osd::{Devices, Occasion, Roster, Safety};
use logic::storage::osd::{OsdId, OsdUuid};

use crate::laws::{self, World};

struct InMemory {
    members: Arc<Members>,
    machine: Arc<Machine>,
    count: AtomicU32,
}

fn world() -> InMemory {
    let members = Members::new();
    let machine = Machine::new(&members);
    let world = InMemory { members, machine, count: AtomicU32::new(0) };
    // Somebody must take what another gives away.
    let other = world.members.register(OsdUuid(uuid::Uuid::from_u128(1)), None).unwrap();
    let elsewhere = Machine::new(&world.members);
    elsewhere.add_device("/dev/sda", "ACME disk", 2 << 30);
    let preparation = logic::storage::osd::change::Preparation {
        uuid: other.uuid,
        replaces: None,
        device: "/dev/sda".parse().unwrap(),
        part: 0,
        parts: 1,
        db: None,
    };
    elsewhere.prepare(&other, &preparation).unwrap();
    elsewhere.start(other.uuid, Occasion::Task).unwrap();
    world
}

impl World for InMemory {
    fn devices(&self) -> Arc<dyn Devices> {
        Arc::<Machine>::clone(&self.machine)
    }

    fn roster(&self) -> Arc<dyn Roster> {
        Arc::<Members>::clone(&self.members)
    }

    fn device(&self) -> String {
        let path = format!("/dev/sd{}", self.count.fetch_add(1, Ordering::SeqCst));
        self.machine.add_device(&path, "ACME disk", 2 << 30);
        path
    }

    fn fill(&self, device: &str) {
        self.machine.fill_device(device, "a file system");
    }

    fn rebuild(&self) {
        self.machine.rebuild();
    }

    fn break_off(&self, osd: OsdUuid) {
        self.machine.forget_layout(osd);
    }
}

#[test]
fn the_laws_hold_in_memory() {
    laws::an_osd_lives_and_goes(&world());
    laws::what_holds_data_is_refused(&world());
    laws::what_was_broken_off_is_begun_anew_or_undone(&world());
    laws::a_device_is_split_and_databases_lie_on_another(&world());
    laws::a_replacement_inherits_the_number(&world());
    laws::waiting_does_not_make_it_safe(&world(), logic::storage::osd::OsdId(0));
    laws::flags_are_set_and_unset(&world());
    laws::a_rebuilt_machine_takes_its_osd_over(&world());
}

#[test]
fn devices_are_detected_by_name_and_size() {
    let world = world();
    world.machine.add_device("/dev/sda", "ATA Samsung SSD", 800_166_076_416);
    world.machine.add_device("/dev/sdb", "ATA INTEL SSD", 800_166_076_416);
    world.machine.add_device("/dev/sdc", "ATA INTEL SSD", 800_166_076_416);
    let found = |text: &str| world.machine.empty(&text.parse().unwrap());
    assert_eq!(found("detect:intel:800G:0").unwrap(), "/dev/sdb");
    assert_eq!(found("detect:intel:800G:1").unwrap(), "/dev/sdc");
    assert_eq!(found("detect:samsung:0.8T:0").unwrap(), "/dev/sda");
    assert!(found("detect:intel:800G:2").is_err());
    assert!(found("detect:intel:1T:0").is_err());
}

#[test]
fn what_goes_with_data_on_it_is_remembered_and_whether_anybody_else_had_it() {
    let world = world();
    let preparation = |number: u128| logic::storage::osd::change::Preparation {
        uuid: OsdUuid(uuid::Uuid::from_u128(number)),
        replaces: None,
        device: world.device().parse().unwrap(),
        part: 0,
        parts: 1,
        db: None,
    };
    let up = |number: u128| {
        let preparation = preparation(number);
        let member = world.members.register(preparation.uuid, None).unwrap();
        world.machine.prepare(&member, &preparation).unwrap();
        world.machine.start(preparation.uuid, Occasion::Task).unwrap();
        member
    };
    let (first, second) = (up(11), up(12));
    assert_eq!(world.members.losses(), []);
    world.machine.stop(first.uuid).unwrap();
    world.members.purge(first.id).unwrap();
    let loss = |member: &host::osd::Member, was_last| Loss { id: member.id, uuid: member.uuid, was_last };
    assert_eq!(world.members.losses(), [loss(&first, false)]);
    // The one elsewhere gives what it has to the second, and goes without anything.
    let elsewhere = OsdId(0);
    world.members.mark_out(elsewhere).unwrap();
    assert_eq!(world.members.standing(elsewhere).unwrap().unwrap().safety, Safety::Safe);
    world.machine.stop(second.uuid).unwrap();
    world.machine.wipe(second.uuid).unwrap();
    assert_eq!(world.members.losses(), [loss(&second, true)]);
    let third = up(13);
    world.members.refuse(1);
    assert!(world.members.mark_out(third.id).is_err());
    world.members.lose_answers(1);
    assert!(world.members.mark_out(third.id).is_err());
    assert!(!world.members.standing(third.id).unwrap().unwrap().is_in, "it took effect, and nobody was told");
}

#[test]
fn who_refuses_to_purge_what_is_gone_already_has_purged_it() {
    let world = world();
    let member = world.members.register(OsdUuid(uuid::Uuid::from_u128(11)), None).unwrap();
    let purge = || host::osd::whole::purge(&*world.members, Some(member.id), member.uuid);
    world.members.refuse(1);
    assert!(purge().is_err(), "it is there");
    world.members.lose_answers(1);
    assert!(purge().is_err(), "nobody was told");
    world.members.refuse(1);
    purge().unwrap();
    assert_eq!(world.members.standing(member.id).unwrap(), None);
}
