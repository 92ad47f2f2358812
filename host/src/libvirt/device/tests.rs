//! Tests of the names in a guest's document.

use super::*;

#[test]
fn interfaces_are_named_by_their_mac_and_the_vnc_server_by_its_port() {
    let xml = "<domain><devices>\
               <interface type='bridge'><mac address='52:54:00:AA:00:01'/><target dev='vnet0'/></interface>\
               <interface type='user'><mac address='52:54:00:aa:00:02'/></interface>\
               <graphics type='vnc' port='5901' listen='127.0.0.1'/></devices></domain>";
    let expected = Names {
        macs: [("vnet0".to_owned(), "52:54:00:aa:00:01".to_owned())].into(),
        vnc: Some(("127.0.0.1".into(), 5901)),
    };
    assert_eq!(names_in(xml), expected);
}

#[test]
fn a_document_without_a_vnc_port_names_no_server() {
    for xml in ["", "<domain/>", "<domain><graphics type='vnc' port='-1'/></domain>"] {
        assert_eq!(names_in(xml), Names::default(), "{xml}");
    }
}
