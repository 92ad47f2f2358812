//! Bad requests about storage: each is refused with its status and a sentence, and nothing is changed by any of them.

use super::desk::{UUID, xml};
use super::storeroom::Storeroom;

type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], u16, &'static str);

const POOL: &str = "/storage/ceph/pool";
const VMS: &str = "/storage/ceph/pool/vms";
const VOLUMES: &str = "/storage/ceph/volume";
const WEB: &str = "/storage/ceph/volume/vms/web_sda";
const USED: &str = "/storage/ceph/volume/vms/used_sda";
const SNAPSHOTS: &str = "/storage/ceph/snapshot";
const BEFORE: &str = "/storage/ceph/snapshot/vms/web_sda/before";
const LONG: &str = "a234567890123456789012345678901234567890123456789012345678901234";

/// Method, path, parameters, the status, and a word of the answer.
const POOLS: &[Case] = &[
    ("POST", POOL, &[], 400, "required"),
    ("POST", POOL, &[("pool", "a"), ("pgs", "8")], 400, "replcfg"),
    ("POST", POOL, &[("pool", "a"), ("pgs", "many"), ("replcfg", "copies=3,mincopies=2")], 400, "pgs"),
    ("POST", POOL, &[("pool", "a"), ("pgs", "-1"), ("replcfg", "copies=3,mincopies=2")], 400, "pgs"),
    (
        "POST",
        POOL,
        &[("pool", "a"), ("pgs", "0"), ("replcfg", "copies=3,mincopies=2")],
        400,
        "placement groups",
    ),
    (
        "POST",
        POOL,
        &[("pool", "a"), ("pgs", "9999999"), ("replcfg", "copies=3,mincopies=2")],
        400,
        "placement groups",
    ),
    ("POST", POOL, &[("pool", "a"), ("pgs", "8"), ("replcfg", "3")], 400, "copies=3,mincopies=2"),
    ("POST", POOL, &[("pool", "a"), ("pgs", "8"), ("replcfg", "copies=2,mincopies=3")], 400, "copies"),
    ("POST", POOL, &[("pool", "a"), ("pgs", "8"), ("replcfg", "copies=99,mincopies=3")], 400, "copies"),
    (
        "POST",
        POOL,
        &[("pool", "a"), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2"), ("tier", "tape")],
        400,
        "tape",
    ),
    (
        "POST",
        POOL,
        &[("pool", "a"), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2"), ("teir", "ssd")],
        400,
        "tier",
    ),
    (
        "POST",
        POOL,
        &[("pool", "vms"), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2")],
        400,
        "exists already",
    ),
    ("POST", POOL, &[("pool", "a/b"), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2")], 400, "pool name"),
    ("POST", POOL, &[("pool", "-p"), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2")], 400, "pool name"),
    ("POST", POOL, &[("pool", LONG), ("pgs", "8"), ("replcfg", "copies=3,mincopies=2")], 400, "63"),
    (
        "POST",
        "/storage/ceph/pool/..%2Fetc",
        &[("pgs", "8"), ("replcfg", "copies=3,mincopies=2")],
        400,
        "pool name",
    ),
    ("POST", VMS, &[("pgs", "8"), ("replcfg", "copies=3,mincopies=2")], 400, "exists already"),
    ("GET", "/storage/ceph/pool/nope", &[], 404, "Pool not found."),
    ("GET", POOL, &[("limit", "(")], 400, "regular expression"),
    ("GET", POOL, &[("limt", "a")], 400, "limit"),
    ("PUT", VMS, &[], 400, "pgs"),
    ("PUT", VMS, &[("pgs", "0")], 400, "placement groups"),
    ("PUT", "/storage/ceph/pool/nope", &[("pgs", "8")], 404, "Pool not found."),
    ("PUT", "/storage/ceph/pool/.nope", &[("pgs", "8")], 404, "Pool not found."),
    ("DELETE", VMS, &[], 400, "yes-i-really-mean-it"),
    ("DELETE", VMS, &[("yes-i-really-mean-it", "no")], 400, "confirm"),
    ("DELETE", VMS, &[("yes-i-really-mean-it", "yes")], 400, "used by VM"),
    ("DELETE", "/storage/ceph/pool/nope", &[("yes-i-really-mean-it", "yes")], 404, "Pool not found."),
];

const OF_VOLUMES: &[Case] = &[
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a")], 400, "size"),
    ("POST", VOLUMES, &[("pool", "vms"), ("size", "1G")], 400, "volume"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "0")], 400, "greater than zero"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "-1G")], 400, "less than nothing"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "10X")], 400, "not known"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "big")], 400, "size"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "")], 400, "size"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "1000")], 400, "sectors"),
    (
        "POST",
        VOLUMES,
        &[("pool", "vms"), ("volume", "a"), ("size", "99999999999999999999T")],
        400,
        "more than any",
    ),
    (
        "POST",
        VOLUMES,
        &[("pool", "vms"), ("volume", "a"), ("size", "15E"), ("force", "true")],
        400,
        "any volume",
    ),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "1000G"), ("force", "true")], 400, "free"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "900G")], 400, "80 %"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "1G"), ("force", "maybe")], 400, "force"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a"), ("size", "1G"), ("size", "2G")], 400, "2 times"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "web_sda"), ("size", "1G")], 400, "exists already"),
    ("POST", VOLUMES, &[("pool", "nope"), ("volume", "a"), ("size", "1G")], 400, "Pool not found."),
    ("POST", VOLUMES, &[("pool", ".."), ("volume", "a"), ("size", "1G")], 400, "Pool not found."),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", "a@b"), ("size", "1G")], 400, "volume name"),
    ("POST", VOLUMES, &[("pool", "vms"), ("volume", LONG), ("size", "1G")], 400, "63"),
    ("POST", "/storage/ceph/volume/nope/a", &[("size", "1G")], 404, "Pool not found."),
    ("POST", WEB, &[("size", "1G")], 400, "exists already"),
    ("POST", WEB, &[], 400, "size"),
    ("GET", "/storage/ceph/volume/vms/nope", &[], 404, "Volume not found."),
    ("GET", "/storage/ceph/volume/vms/%00", &[], 404, "Volume not found."),
    ("GET", VOLUMES, &[("limit", "[")], 400, "regular expression"),
    ("GET", VOLUMES, &[("node", "hv1")], 400, "not known"),
    ("PUT", WEB, &[], 400, "exactly one"),
    ("PUT", WEB, &[("new_size", "20G"), ("new_name", "b")], 400, "exactly one"),
    ("PUT", WEB, &[("size", "20G")], 400, "new_size"),
    ("PUT", WEB, &[("new_size", "5G")], 400, "smaller"),
    ("PUT", WEB, &[("new_size", "0")], 400, "greater than zero"),
    ("PUT", WEB, &[("new_size", "20GB")], 400, "not known"),
    ("PUT", WEB, &[("new_size", "2000G")], 400, "free"),
    ("PUT", WEB, &[("new_size", "2000G"), ("force", "true")], 400, "free"),
    ("PUT", WEB, &[("new_size", "900G")], 400, "80 %"),
    ("PUT", WEB, &[("new_size", "900G"), ("force", "false")], 400, "80 %"),
    ("PUT", WEB, &[("new_size", "20G"), ("force", "perhaps")], 400, "force"),
    ("PUT", WEB, &[("new_name", "a b")], 400, "volume name"),
    ("PUT", WEB, &[("new_name", "web_sda")], 400, "old one"),
    ("PUT", WEB, &[("new_name", "used_sda")], 400, "exists already"),
    ("PUT", USED, &[("new_name", "other")], 400, "used by VM"),
    ("PUT", "/storage/ceph/volume/vms/nope", &[("new_size", "20G")], 404, "Volume not found."),
    ("PUT", "/storage/ceph/volume/nope/a", &[("new_name", "b")], 404, "Pool not found."),
    ("DELETE", "/storage/ceph/volume/vms/nope", &[], 404, "Volume not found."),
    ("DELETE", USED, &[], 400, "used by VM"),
    ("POST", "/storage/ceph/volume/vms/nope/scan", &[], 404, "Volume not found."),
    ("POST", "/storage/ceph/volume/vms/web_sda/clone", &[], 400, "new_volume"),
    ("POST", "/storage/ceph/volume/vms/web_sda/clone", &[("new_volume", "used_sda")], 400, "exists already"),
    ("POST", "/storage/ceph/volume/vms/web_sda/clone", &[("new_volume", "a/b")], 400, "volume name"),
    (
        "POST",
        "/storage/ceph/volume/vms/web_sda/clone",
        &[("new_volume", "a"), ("snapshot", "nope")],
        404,
        "Snapshot not found.",
    ),
    ("POST", "/storage/ceph/volume/vms/nope/clone", &[("new_volume", "a")], 404, "Volume not found."),
];

const OF_SNAPSHOTS: &[Case] = &[
    ("POST", SNAPSHOTS, &[("pool", "vms"), ("volume", "web_sda")], 400, "snapshot"),
    (
        "POST",
        SNAPSHOTS,
        &[("pool", "vms"), ("volume", "web_sda"), ("snapshot", "before")],
        400,
        "exists already",
    ),
    ("POST", SNAPSHOTS, &[("pool", "vms"), ("volume", "nope"), ("snapshot", "a")], 400, "Volume not found."),
    ("POST", SNAPSHOTS, &[("pool", "nope"), ("volume", "a"), ("snapshot", "a")], 400, "Pool not found."),
    ("POST", SNAPSHOTS, &[("pool", "vms"), ("volume", "web_sda"), ("snapshot", "a@b")], 400, "snapshot name"),
    ("POST", "/storage/ceph/snapshot/vms/nope/a", &[], 404, "Volume not found."),
    ("POST", BEFORE, &[], 400, "exists already"),
    ("GET", "/storage/ceph/snapshot/vms/web_sda/nope", &[], 404, "Snapshot not found."),
    ("GET", "/storage/ceph/snapshot/vms/nope/before", &[], 404, "Snapshot not found."),
    ("GET", SNAPSHOTS, &[("limit", "*")], 400, "regular expression"),
    ("PUT", BEFORE, &[], 400, "new_name"),
    ("PUT", BEFORE, &[("new_name", "")], 400, "snapshot name"),
    ("PUT", BEFORE, &[("new_name", "before")], 400, "old one"),
    ("PUT", BEFORE, &[("new_name", "after")], 400, "exists already"),
    ("PUT", "/storage/ceph/snapshot/vms/web_sda/nope", &[("new_name", "a")], 404, "Snapshot not found."),
    ("DELETE", "/storage/ceph/snapshot/vms/web_sda/nope", &[], 404, "Snapshot not found."),
    ("DELETE", "/storage/ceph/snapshot/vms/nope/a", &[], 404, "Volume not found."),
    ("POST", "/storage/ceph/snapshot/vms/web_sda/nope/rollback", &[], 404, "Snapshot not found."),
    ("POST", "/storage/ceph/snapshot/vms/used_sda/mine/rollback", &[], 400, "used by VM"),
];

const OSD: &str = "/storage/ceph/osd";
const YES: (&str, &str) = ("yes-i-really-mean-it", "yes");

const OF_OSDS: &[Case] = &[
    ("GET", "/storage/ceph/osd/99", &[], 404, "OSD not found."),
    ("GET", "/storage/ceph/osd/x", &[], 404, "OSD not found."),
    ("GET", "/storage/ceph/osd/-1", &[], 404, "OSD not found."),
    ("GET", "/storage/ceph/osd/99/state", &[], 404, "OSD not found."),
    ("GET", OSD, &[("limit", "(")], 400, "regular expression"),
    ("GET", OSD, &[("limit", "5")], 404, "OSD not found."),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/sdc")], 400, "weight"),
    ("POST", OSD, &[("node", "hv1"), ("weight", "1")], 400, "device"),
    ("POST", OSD, &[("node", "hv1"), ("device", "sdc"), ("weight", "1")], 400, "detect:NAME:SIZE:INDEX"),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/../etc"), ("weight", "1")], 400, "device"),
    ("POST", OSD, &[("node", "hv1"), ("device", "detect:X"), ("weight", "1")], 400, "device"),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "heavy")], 400, "not a number"),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "NaN")], 400, "not a number"),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "-1")], 400, "weight"),
    (
        "POST",
        OSD,
        &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1"), ("osd_count", "0")],
        400,
        "split",
    ),
    (
        "POST",
        OSD,
        &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1"), ("osd_count", "4000000000")],
        400,
        "split",
    ),
    (
        "POST",
        OSD,
        &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1"), ("ext_db_ratio", "2")],
        400,
        "ratio",
    ),
    (
        "POST",
        OSD,
        &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1"), ("ext_db_size", "big")],
        400,
        "size",
    ),
    (
        "POST",
        OSD,
        &[
            ("node", "hv1"),
            ("device", "/dev/sdc"),
            ("weight", "1"),
            ("ext_db_size", "1G"),
            ("ext_db_ratio", "0.1"),
        ],
        400,
        "not as both",
    ),
    (
        "POST",
        OSD,
        &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1"), ("ext_db_size", "1G")],
        400,
        "create-db-vg",
    ),
    ("POST", OSD, &[("node", "hv1"), ("device", "/dev/sdb"), ("weight", "1")], 400, "bears OSD 0"),
    ("POST", OSD, &[("node", "nope"), ("device", "/dev/sdc"), ("weight", "1")], 400, "nope"),
    ("POST", OSD, &[("node", "../x"), ("device", "/dev/sdc"), ("weight", "1")], 400, "invalid"),
    ("POST", "/storage/ceph/osddb", &[("node", "hv1")], 400, "device"),
    ("POST", "/storage/ceph/osddb", &[("node", "nope"), ("device", "/dev/sdc")], 400, "nope"),
    ("POST", "/storage/ceph/osd/0", &[("new_device", "/dev/sdc")], 400, "yes-i-really-mean-it"),
    ("POST", "/storage/ceph/osd/0", &[YES], 400, "new_device"),
    (
        "POST",
        "/storage/ceph/osd/0",
        &[YES, ("new_device", "/dev/sdc"), ("old_device", "/dev/sdz")],
        400,
        "/dev/sdb",
    ),
    ("POST", "/storage/ceph/osd/99", &[YES, ("new_device", "/dev/sdc")], 400, "OSD not found."),
    ("POST", "/storage/ceph/osd/7", &[YES, ("new_device", "/dev/sdc")], 400, "not one that PVC has made"),
    ("PUT", "/storage/ceph/osd/0", &[], 400, "device"),
    ("PUT", "/storage/ceph/osd/99", &[("device", "/dev/sdc")], 400, "OSD not found."),
    ("DELETE", "/storage/ceph/osd/0", &[], 400, "yes-i-really-mean-it"),
    ("DELETE", "/storage/ceph/osd/0", &[("yes-i-really-mean-it", "no")], 400, "confirm"),
    ("DELETE", "/storage/ceph/osd/99", &[YES], 404, "OSD not found."),
    ("DELETE", "/storage/ceph/osd/7", &[YES], 400, "not one that PVC has made"),
    ("POST", "/storage/ceph/osd/0/state", &[], 400, "state"),
    ("POST", "/storage/ceph/osd/0/state", &[("state", "up")], 400, "in, out"),
    ("POST", "/storage/ceph/osd/99/state", &[("state", "in")], 400, "OSD not found."),
    ("POST", "/storage/ceph/option", &[("option", "noout")], 400, "action"),
    ("POST", "/storage/ceph/option", &[("option", "noout"), ("action", "toggle")], 400, "toggle"),
    ("POST", "/storage/ceph/option", &[("option", "--yes"), ("action", "set")], 400, "noout"),
];

#[tokio::test]
async fn bad_requests_are_refused_and_change_nothing() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    room.volume("used_sda", "10G").await;
    room.snapshot("web_sda", "before").await;
    room.snapshot("web_sda", "after").await;
    room.snapshot("used_sda", "mine").await;
    let disk = "<disk type='network' device='disk'><source protocol='rbd' name='vms/used_sda'/>\
                <target dev='sdb' bus='scsi'/></disk><controller type='usb'";
    let document = xml("web1", UUID).replace("<controller type='usb'", disk);
    let defined = room.desk.ask("POST", "/vm", &[("xml", &document)]).await;
    assert_eq!(defined.status, 200, "{}", defined.text);
    let started = room.desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await;
    assert_eq!(started.status, 200, "{}", started.text);
    let before = room.recorded().await;
    for (method, path, parameters, status, word) in
        POOLS.iter().chain(OF_VOLUMES).chain(OF_SNAPSHOTS).chain(OF_OSDS)
    {
        let answer = room.desk.ask(method, path, parameters).await;
        assert_eq!(answer.status.as_u16(), *status, "{method} {path} {parameters:?}: {}", answer.text);
        assert!(answer.message().contains(word), "{method} {path} {parameters:?}: {}", answer.text);
    }
    assert_eq!(room.recorded().await, before);
}
