//! What the other machine's libvirt is called.

use super::*;

#[test]
fn the_other_libvirt_is_reached_by_tls_at_its_address_on_the_cluster_network() {
    let road = Road::default();
    assert_eq!(road.uri("10.0.0.2".parse().unwrap()), "qemu+tls://10.0.0.2:16514/system?no_tty=1");
    let road = Road { tls_port: 99, certificates: Some("/etc/pvc/tls".into()) };
    let uri = road.uri("fd00::2".parse().unwrap());
    assert_eq!(uri, "qemu+tls://[fd00::2]:99/system?no_tty=1&pkipath=/etc/pvc/tls");
}
