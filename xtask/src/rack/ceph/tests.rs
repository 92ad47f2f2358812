//! What the lab's Ceph is told, and what its daemons are called.

use super::*;

#[test]
fn daemons_have_the_names_that_a_hand_uses_and_pvc_finds_osds_by() {
    assert_eq!(Daemon::Monitor.name(), "mon");
    assert_eq!(Daemon::Osd(7).name(), "osd.7");
    assert_eq!(Daemon::Osd(7).program(), "ceph/osd.7");
    assert_eq!(Daemon::Manager.words(2), ["ceph-mgr", "-f", "--id", "pvc2"]);
    assert_eq!(Daemon::Osd(first_osd(3)).words(3), ["ceph-osd", "-f", "--id", "2"]);
}
