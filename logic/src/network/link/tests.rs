//! What passes for a link's name, and what for an MTU.

use super::*;

#[test]
fn a_name_is_what_the_kernel_takes_for_one() {
    for name in ["ens4", "br-cluster", "eth0.100", "fifteen-letters"] {
        assert_eq!(LinkName::from_str(name).unwrap().as_str(), name);
    }
    for odd in ["", ".", "..", "a b", "a/b", "a:b", "sixteen-letters!", "a\n"] {
        let error = LinkName::from_str(odd).unwrap_err().to_string();
        assert!(error.contains("is no name of a link"), "{error}");
    }
}

#[test]
fn a_hardware_address_is_shown_as_people_write_it() {
    assert_eq!(MacAddress([2, 0, 0xab, 0, 1, 0xff]).to_string(), "02:00:ab:00:01:ff");
}
