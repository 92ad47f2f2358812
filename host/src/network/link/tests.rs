//! What passes for an MTU.

use super::*;

#[test]
fn an_mtu_that_would_switch_ipv6_off_is_refused() {
    for mtu in [1280, 1500, 9000, 65_535] {
        check_mtu("bring up ens4", mtu).unwrap();
    }
    for mtu in [0, 1279, 65_536] {
        let error = check_mtu("bring up ens4", mtu).unwrap_err().to_string();
        assert!(error.contains("bring up ens4") && error.contains("1280 to 65535"), "{error}");
    }
}
