//! What the machine's programs are asked on one whose kernel maps devices, with answers that were written by hand.

use std::collections::VecDeque;
use std::sync::Mutex;

use logic::storage::osd::DbSize;

use super::*;
use crate::osd::Member;

/// Programs that are played: each expected command line, with its answer.
#[derive(Debug)]
struct Played {
    script: Mutex<VecDeque<(String, i32, String)>>,
}

impl Programs for Played {
    fn run(&self, program: &str, arguments: &[&str], _: Duration) -> Result<Finished, command::Error> {
        let line = [&[program], arguments].concat().join(" ");
        let (expected, code, output) = self.script.lock().unwrap().pop_front().expect(&line);
        assert_eq!(line, expected);
        Ok(Finished { code: Some(code), output, errors: String::new() })
    }
}

const OSD: &str = "2b9adeb7-4225-43cb-a47e-ade0729b7005";
const LVS: &str =
    "lvs --noheadings --separator ; --options vg_name,lv_name,lv_uuid,lv_size,lv_tags --units b --nosuffix";
const PVS: &str = "pvs --noheadings --separator ; --options pv_name,vg_name";

fn machine(folder: &Path, abilities: Abilities, script: &[(&str, i32, &str)]) -> (Linux, Arc<Played>) {
    let owned = |(line, code, output): &(&str, i32, &str)| ((*line).to_owned(), *code, (*output).to_owned());
    let played = Arc::new(Played { script: Mutex::new(script.iter().map(owned).collect()) });
    let places = Places {
        notes: folder.join("notes"),
        stores: folder.join("stores"),
        run: folder.join("run"),
        config: "/etc/ceph/ceph.conf".into(),
    };
    (Linux { places, programs: Arc::<Played>::clone(&played), abilities }, played)
}

fn all_played(played: &Played) {
    assert!(played.script.lock().unwrap().is_empty(), "{:?}", played.script);
}

fn note(layout: Layout) -> Note {
    Note {
        uuid: OSD.parse().unwrap(),
        id: OsdId(3),
        device: "/dev/sdb".into(),
        part: 0,
        parts: 2,
        db_device: None,
        layout,
    }
}

const LVM: Abilities = Abilities { maps_devices: true, has_systemd: true };

#[test]
fn a_volume_that_is_split_off_has_its_share_of_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let share = format!("lvcreate --yes --name osd-block-{OSD} --extents 50%FREE ceph-{OSD}");
    let make = format!("vgcreate --yes ceph-{OSD} /dev/sdb");
    let script = [(LVS, 0, ""), (PVS, 0, "  /dev/sda;system\n"), (&*make, 0, ""), (&*share, 0, "")];
    let (machine, played) = machine(folder.path(), LVM, &script);
    // The kernel of the machine that tests has no such device.
    assert!(machine.ensure_volume(&note(Layout::Lvm)).is_err());
    all_played(&played);
}

#[test]
fn a_volume_that_is_there_is_tagged_as_ceph_volume_would() {
    let folder = tempfile::tempdir().unwrap();
    let volumes = format!("  ceph-x;osd-block-{OSD};AbC;1073741824;\n  osd-db;osd-db-{OSD};DeF;1048576;\n");
    let tags = |kind: &str, path: &str| {
        let tag = |tag: &str| format!("--addtag ceph.{tag} ");
        let all = [
            "cluster_name=ceph".to_owned(),
            "cluster_fsid=f-1".into(),
            "osd_id=3".into(),
            format!("osd_fsid={OSD}"),
            format!("block_device=/dev/ceph-x/osd-block-{OSD}"),
            "block_uuid=AbC".into(),
            "crush_device_class=None".into(),
            "encrypted=0".into(),
            "vdo=0".into(),
            format!("db_device=/dev/osd-db/osd-db-{OSD}"),
            "db_uuid=DeF".into(),
            format!("type={kind}"),
        ];
        format!("lvchange {}{path}", all.map(|one| tag(&one)).concat())
    };
    let block = tags("block", &format!("/dev/ceph-x/osd-block-{OSD}"));
    let db = tags("db", &format!("/dev/osd-db/osd-db-{OSD}"));
    let script = [
        ("ceph-conf -c /etc/ceph/ceph.conf --lookup fsid", 0, "f-1\n"),
        (LVS, 0, &volumes),
        (&block, 0, ""),
        (&db, 0, ""),
    ];
    let (machine, played) = machine(folder.path(), LVM, &script);
    machine.tag(&note(Layout::Lvm)).unwrap();
    all_played(&played);
}

#[test]
fn an_osd_on_a_volume_is_activated_and_stopped_through_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let activate = format!("ceph-volume lvm activate --bluestore 3 {OSD}");
    let disable = format!("systemctl disable ceph-volume@lvm-3-{OSD}");
    let script = [(&*activate, 0, ""), (&*disable, 0, ""), ("systemctl disable --now ceph-osd@3", 0, "")];
    let (machine, played) = machine(folder.path(), LVM, &script);
    machine.notes().write(&note(Layout::Lvm)).unwrap();
    machine.start(OSD.parse().unwrap(), Occasion::Boot).unwrap();
    machine.start(OSD.parse().unwrap(), Occasion::Task).unwrap();
    machine.stop(OSD.parse().unwrap()).unwrap();
    all_played(&played);
}

#[test]
fn a_group_goes_with_its_last_volume_and_a_group_of_others_stays() {
    let folder = tempfile::tempdir().unwrap();
    let volume = format!("  ceph-x;osd-block-{OSD};AbC;5;\n");
    let remove = format!("lvremove --yes /dev/ceph-x/osd-block-{OSD}");
    let script = [
        ("systemctl is-active --quiet ceph-osd@3", 3, ""),
        (LVS, 0, &*volume),
        (&*remove, 0, ""),
        (LVS, 0, ""),
        (PVS, 0, "  /dev/sdb;ceph-x\n"),
        (LVS, 0, "  ceph-x;osd-block-other;AbC;5;\n"),
    ];
    let (machine, played) = machine(folder.path(), LVM, &script);
    machine.notes().write(&note(Layout::Lvm)).unwrap();
    machine.wipe(OSD.parse().unwrap()).unwrap();
    all_played(&played);
    assert_eq!(machine.borne(OSD.parse().unwrap()).unwrap(), None);
}

#[test]
fn an_osd_that_runs_is_not_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let (machine, played) = machine(folder.path(), LVM, &[("systemctl is-active --quiet ceph-osd@3", 0, "")]);
    machine.notes().write(&note(Layout::Lvm)).unwrap();
    let said = machine.wipe(OSD.parse().unwrap()).unwrap_err().to_string();
    assert!(said.contains("osd.3 runs"), "{said}");
    all_played(&played);
}

#[test]
fn what_is_no_device_is_refused_and_a_database_needs_its_device() {
    let folder = tempfile::tempdir().unwrap();
    let (machine, _) = machine(folder.path(), Abilities { maps_devices: false, has_systemd: false }, &[]);
    let said = machine.empty(&DeviceChoice::Path("/dev/null".into())).unwrap_err().to_string();
    assert!(said.contains("no block device"), "{said}");
    let said = machine.empty(&DeviceChoice::Path("/dev/none-of-that-name".into())).unwrap_err().to_string();
    assert!(said.contains("there is no"), "{said}");
    assert_eq!(machine.db_device().unwrap(), None);
    assert_eq!(DbSize::Bytes(1).of(1), 1 << 20);
    let _ = Member { id: OsdId(1), uuid: OSD.parse().unwrap(), keyring: "secret".into() };
}
