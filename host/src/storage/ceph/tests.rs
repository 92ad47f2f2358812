//! Tests of what is set on the connection, whatever Ceph's configuration file says.

use super::*;

/// What is set for these settings, by name.
fn option(settings: &Settings, wanted: &str) -> Option<String> {
    let inner = Inner { settings: settings.clone(), link: Mutex::default(), calls: Calls::default() };
    inner.options().into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

const TIMEOUTS: [&str; 3] = ["client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"];

#[test]
fn all_three_timeouts_of_librados_are_set_and_never_to_none() {
    let usual = Settings::usual("/etc/ceph/ceph.conf", "client.pvc");
    let of = |settings: &Settings| TIMEOUTS.map(|name| option(settings, name).unwrap_or_default());
    assert_eq!(of(&usual), ["5", "5", "30"]);
    let short = Duration::from_millis(200);
    let deadlines = Deadlines { look: short, change: short, ..Deadlines::default() };
    // Zero would mean to wait for ever.
    assert_eq!(of(&Settings { deadlines, ..usual }), ["1", "1", "1"]);
}

#[test]
fn who_loses_a_lock_is_blocked_for_as_long_as_an_address() {
    let usual = Settings::usual("/etc/ceph/ceph.conf", "client.pvc");
    let expiry = |settings: &Settings| option(settings, "rbd_blocklist_expire_seconds");
    assert_eq!(expiry(&usual).as_deref(), Some("315360000"));
    let short = Settings { block_expiry: Duration::from_secs(2), ..usual };
    assert_eq!(expiry(&short).as_deref(), Some("2"));
}
