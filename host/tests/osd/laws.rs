//! What holds of OSDs, whatever they are on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host::osd::{ByTheClock, Devices, Error, Member, Occasion, Roster, Safety, await_safe, await_up};
use logic::storage::osd::change::Preparation;
use logic::storage::osd::{DbSize, DeviceChoice, OsdFlag, OsdId, OsdUuid, Weight};

/// Where the laws are looked at.
pub(crate) trait World {
    /// The machine.
    fn devices(&self) -> Arc<dyn Devices>;
    /// The storage.
    fn roster(&self) -> Arc<dyn Roster>;
    /// An empty device more, of 2 GiB.
    fn device(&self) -> String;
    /// Something is on a device.
    fn fill(&self, device: &str);
    /// The machine forgets all that it knows of OSDs; what bears them stays.
    fn rebuild(&self);
    /// What was laid out looks as if that had been broken off.
    fn break_off(&self, osd: OsdUuid);
}

/// How long is waited for what takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

fn fresh() -> OsdUuid {
    OsdUuid(uuid::Uuid::from_bytes(std::array::from_fn(|_| random())))
}

fn random() -> u8 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish().to_le_bytes()[0]
}

fn at(device: &str) -> DeviceChoice {
    device.parse().unwrap()
}

fn whole(uuid: OsdUuid, device: &str) -> Preparation {
    Preparation { uuid, replaces: None, device: at(device), part: 0, parts: 1, db: None }
}

fn up(world: &dyn World, preparation: &Preparation) -> Member {
    let (devices, roster) = (world.devices(), world.roster());
    let member = roster.register(preparation.uuid, preparation.replaces).unwrap();
    devices.prepare(&member, preparation).unwrap();
    roster.place(member.id, &"hv3".parse().unwrap(), Weight::of(0.002).unwrap()).unwrap();
    devices.start(preparation.uuid, Occasion::Task).unwrap();
    await_up(&*roster, preparation.uuid, PATIENCE, &ByTheClock).unwrap();
    member
}

pub(crate) fn gone(world: &dyn World, member: &Member) {
    let (devices, roster) = (world.devices(), world.roster());
    roster.mark_out(member.id).unwrap();
    await_safe(&*roster, member.id, PATIENCE, &ByTheClock).unwrap();
    devices.stop(member.uuid).unwrap();
    roster.purge(member.id).unwrap();
    devices.wipe(member.uuid).unwrap();
}

/// An OSD on a device of its own.
pub(crate) fn up_on_a_device(world: &dyn World) -> (Member, String) {
    let device = world.device();
    (up(world, &whole(fresh(), &device)), device)
}

/// What an OSD has to give away waits for one that is down and in. That is told, and ends when that one is out.
pub(crate) fn one_that_is_down_keeps_its_place_until_it_is_out(world: &dyn World) {
    let (devices, roster) = (world.devices(), world.roster());
    let ((goes, _), (away, _)) = (up_on_a_device(world), up_on_a_device(world));
    devices.stop(away.uuid).unwrap();
    let until = Instant::now() + PATIENCE;
    while roster.standing(away.id).unwrap().unwrap().is_up {
        assert!(Instant::now() < until, "it is called up after it was stopped");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let told = format!("osd.{} is down", away.id);
    wait_for_why(world, goes.id, &told);
    roster.mark_out(away.id).unwrap();
    gone(world, &goes);
    roster.purge(away.id).unwrap();
    devices.wipe(away.uuid).unwrap();
}

/// From an empty device to an OSD that is up, and back to an empty device; every call twice.
pub(crate) fn an_osd_lives_and_goes(world: &dyn World) {
    let (devices, roster, device, osd) = (world.devices(), world.roster(), world.device(), fresh());
    let before = roster.members().unwrap();
    assert_eq!(devices.empty(&at(&device)).unwrap(), device);
    let preparation = whole(osd, &device);
    let member = up(world, &preparation);
    assert_eq!(roster.register(osd, None).unwrap(), member, "it is the same member");
    devices.prepare(&member, &preparation).unwrap();
    devices.start(osd, Occasion::Task).unwrap();
    assert_eq!(devices.bearing(&at(&device), osd).unwrap(), device);
    let (id, borne) = devices.borne(osd).unwrap().unwrap();
    assert_eq!((id, borne.device.as_str(), borne.is_split), (member.id, device.as_str(), false));

    let said = devices.empty(&at(&device)).unwrap_err().to_string();
    assert!(said.contains("holds data"), "{said}");
    let other = roster.register(fresh(), None).unwrap();
    assert!(devices.prepare(&other, &whole(other.uuid, &device)).is_err(), "another OSD's device is taken");
    roster.purge(other.id).unwrap();
    assert!(devices.wipe(osd).is_err(), "one that runs is wiped");

    gone(world, &member);
    devices.stop(osd).unwrap();
    devices.wipe(osd).unwrap();
    roster.purge(member.id).unwrap();
    assert_eq!(devices.borne(osd).unwrap(), None);
    assert_eq!(roster.members().unwrap(), before);
    assert_eq!(devices.empty(&at(&device)).unwrap(), device, "nothing is left on the device");
}

/// What holds data is refused, and not touched.
pub(crate) fn what_holds_data_is_refused(world: &dyn World) {
    let (devices, device) = (world.devices(), world.device());
    world.fill(&device);
    let said = devices.empty(&at(&device)).unwrap_err();
    assert!(matches!(&said, Error::Refused { why, .. } if why.contains("holds data")), "{said}");
    let member = world.roster().register(fresh(), None).unwrap();
    assert!(devices.prepare(&member, &whole(member.uuid, &device)).is_err());
    assert!(devices.ensure_db(&at(&device)).is_err());
    assert!(devices.start(member.uuid, Occasion::Boot).is_err());
    devices.wipe(member.uuid).unwrap();
    world.roster().purge(member.id).unwrap();
    assert!(devices.empty(&at(&device)).is_err(), "it was wiped");
}

/// A layout that was broken off is begun anew, or undone.
pub(crate) fn what_was_broken_off_is_begun_anew_or_undone(world: &dyn World) {
    let (devices, roster, device) = (world.devices(), world.roster(), world.device());
    let preparation = whole(fresh(), &device);
    let member = roster.register(preparation.uuid, None).unwrap();
    devices.prepare(&member, &preparation).unwrap();
    world.break_off(member.uuid);
    let again = up(world, &preparation);
    assert_eq!(again, member);
    gone(world, &member);
    let preparation = whole(fresh(), &device);
    let member = roster.register(preparation.uuid, None).unwrap();
    devices.prepare(&member, &preparation).unwrap();
    world.break_off(member.uuid);
    devices.wipe(member.uuid).unwrap();
    roster.purge(member.id).unwrap();
    assert_eq!(devices.empty(&at(&device)).unwrap(), device);
}

/// A device is split among OSDs, whose databases lie on another; each goes alone.
pub(crate) fn a_device_is_split_and_databases_lie_on_another(world: &dyn World) {
    let (devices, roster, device, db) = (world.devices(), world.roster(), world.device(), world.device());
    let part =
        |part| Preparation { part, parts: 2, db: Some(DbSize::Bytes(200 << 20)), ..whole(fresh(), &device) };
    let preparations = [part(0), part(1)];
    let early = roster.register(preparations[0].uuid, None).unwrap();
    assert!(devices.prepare(&early, &preparations[0]).is_err(), "there is no device for databases yet");
    assert_eq!(devices.empty(&at(&device)).unwrap(), device);
    devices.ensure_db(&at(&db)).unwrap();
    devices.ensure_db(&at(&db)).unwrap();
    assert_eq!(devices.db_device().unwrap(), Some(db.clone()));
    assert!(devices.ensure_db(&at(&world.device())).is_err(), "a second one");
    let members: Vec<Member> = preparations.iter().map(|preparation| up(world, preparation)).collect();
    for member in &members {
        let (_, borne) = devices.borne(member.uuid).unwrap().unwrap();
        assert!(borne.is_split && borne.db_device.as_ref() == Some(&db), "{borne:?}");
    }
    gone(world, &members[0]);
    assert!(devices.empty(&at(&device)).is_err(), "the other one's part was wiped too");
    assert!(roster.standing(members[1].id).unwrap().unwrap().is_up);
    gone(world, &members[1]);
    assert_eq!(devices.empty(&at(&device)).unwrap(), device);
}

/// A machine that was built anew takes over what its device bears.
pub(crate) fn a_rebuilt_machine_takes_its_osd_over(world: &dyn World) {
    let (devices, roster, device) = (world.devices(), world.roster(), world.device());
    let member = up(world, &whole(fresh(), &device));
    devices.stop(member.uuid).unwrap();
    world.rebuild();
    assert_eq!(devices.borne(member.uuid).unwrap(), None);
    assert!(devices.start(member.uuid, Occasion::Boot).is_err(), "it knows nothing of it");
    assert!(devices.empty(&at(&device)).is_err(), "its device is not empty");
    let wrong = Member { uuid: fresh(), ..member.clone() };
    assert!(devices.restore(&wrong, &at(&device)).is_err(), "another OSD's device");
    devices.restore(&member, &at(&device)).unwrap();
    devices.restore(&member, &at(&device)).unwrap();
    devices.start(member.uuid, Occasion::Boot).unwrap();
    await_up(&*roster, member.uuid, PATIENCE, &ByTheClock).unwrap();
    gone(world, &member);
}

/// A number is kept for a replacement, which has an identity of its own.
pub(crate) fn a_replacement_inherits_the_number(world: &dyn World) {
    let (devices, roster, device) = (world.devices(), world.roster(), world.device());
    let old = up(world, &whole(fresh(), &device));
    let new = Preparation { replaces: Some(old.id), ..whole(fresh(), &world.device()) };
    assert!(roster.register(new.uuid, new.replaces).is_err(), "the old one is not destroyed");
    assert!(roster.destroy(old.id).is_err() || !roster.standing(old.id).unwrap().unwrap().is_up);
    roster.mark_out(old.id).unwrap();
    await_safe(&*roster, old.id, PATIENCE, &ByTheClock).unwrap();
    devices.stop(old.uuid).unwrap();
    roster.destroy(old.id).unwrap();
    assert!(roster.members().unwrap().iter().all(|(_, uuid)| *uuid != old.uuid));
    devices.wipe(old.uuid).unwrap();
    let member = up(world, &new);
    assert_eq!(member.id, old.id);
    roster.mark_in(member.id).unwrap();
    assert!(roster.standing(member.id).unwrap().unwrap().is_in);
    gone(world, &member);
}

/// Waits until an OSD is not safe to destroy for this reason: what is known of data lags behind what becomes of it.
fn wait_for_why(world: &dyn World, osd: OsdId, told: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let standing = world.roster().standing(osd).unwrap().unwrap();
        match &standing.safety {
            Safety::Unsafe { why } if why.contains(told) => return,
            _ => assert!(Instant::now() < until, "it is not told that {told}: {standing:?}"),
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// An OSD that keeps data is not called safe, however long one waits.
pub(crate) fn waiting_does_not_make_it_safe(world: &dyn World, osd: OsdId) {
    let roster = world.roster();
    wait_for_why(world, osd, "placement groups");
    let said = await_safe(&*roster, osd, Duration::from_secs(2), &ByTheClock).unwrap_err().to_string();
    assert!(said.contains("not safe to destroy") && said.contains("placement groups"), "{said}");
}

/// Flags are set and unset.
pub(crate) fn flags_are_set_and_unset(world: &dyn World) {
    let roster = world.roster();
    for flag in [OsdFlag::Noout, OsdFlag::NodeepScrub] {
        roster.set_flag(flag).unwrap();
        roster.set_flag(flag).unwrap();
        roster.unset_flag(flag).unwrap();
        roster.unset_flag(flag).unwrap();
    }
    assert_eq!(roster.standing(OsdId(4711)).unwrap(), None);
    assert!(roster.mark_in(OsdId(4711)).is_err());
}
