//! What is shown of this node, and that a storage which does not answer it is told so until it does.

use std::net::{IpAddr, Ipv4Addr};

use host::clock::SystemClock;
use host::storage::memory::Cluster as Memory;

use super::*;

#[test]
fn a_storage_that_does_not_answer_this_node_is_told_so_until_it_does() {
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let cluster = Memory::new(&[address]);
    let meter = Meter::new(Some(Arc::new(cluster.open(address))), Arc::new(SystemClock));
    assert!(meter.look());
    let sight = meter.sight();
    assert_eq!((sight.is_some(), meter.silent()), (true, None));
    cluster.cut("the cable is out");
    assert!(!meter.look(), "that is no news");
    let why = meter.silent().expect("it was asked in vain");
    assert!(why.contains("the cable is out"), "{why}");
    assert_eq!(meter.sight(), sight, "what was shown before stays");
    cluster.heal();
    meter.look();
    assert_eq!(meter.silent(), None);
}
