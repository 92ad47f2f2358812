//! Documents: what is read, what is refused, and that edits touch nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::storage::VolumePath;

const FULL: &str = r#"<domain type="kvm">
  <name>web1</name>
  <uuid>bdd640fb-0667-4ad1-9c80-317fa3b1799d</uuid>
  <description>A &amp; B</description>
  <memory unit="GiB">2</memory>
  <vcpu>2</vcpu>
  <cpu><topology sockets="1" cores="2" threads="1"/></cpu>
  <os><type arch="x86_64" machine="pc-i440fx-2.7">hvm</type></os>
  <features><acpi/><apic/></features>
  <devices>
    <emulator>/usr/bin/kvm</emulator>
    <console type="pty"/>
    <serial type="pty"><target port="0"/></serial>
    <graphics type="vnc" port="5900" listen="127.0.0.1"/>
    <interface type="bridge"><mac address="52:54:00:AA:00:01"/><source bridge="vmbr1000"/><model type="virtio"/></interface>
    <interface type="direct"><source dev="ens1"/></interface>
    <disk type="network" device="disk"><source protocol="rbd" name="vms/web1_sda"/><target dev="sda" bus="scsi"/></disk>
    <disk type="file"><source file="/a.img"/><target dev="vdb" bus="virtio"/></disk>
    <controller type="usb"/>
    <controller type="scsi" model="virtio-scsi"/>
    <unknown x="1"><!-- kept --></unknown>
  </devices>
</domain>"#;

const SMALL: &str = "<domain><name>a</name><uuid>bdd640fb-0667-4ad1-9c80-317fa3b1799d</uuid><memory>1024</memory><vcpu>1</vcpu></domain>";

#[test]
fn a_full_document_is_read() {
    let domain = parse(FULL).unwrap();
    assert_eq!(domain.name.as_str(), "web1");
    assert_eq!(domain.description, "A & B");
    assert_eq!((domain.memory_mib, domain.vcpus), (2048, 2));
    assert_eq!(domain.topology, "1/2/1");
    assert_eq!(domain.vnc, Some(("127.0.0.1".into(), "5900".into())));
    assert_eq!(domain.interfaces[0].vni(), "1000");
    assert_eq!(domain.interfaces[0].mac, "52:54:00:aa:00:01");
    assert_eq!(domain.interfaces[1].source, "ens1");
    assert_eq!(domain.links().into_iter().collect::<Vec<_>>(), ["ens1", "vmbr1000"]);
    assert_eq!((domain.disks[0].kind.as_str(), domain.disks[0].name.as_str()), ("rbd", "vms/web1_sda"));
    assert_eq!(domain.disks[1].kind, "file");
    assert_eq!(domain.controllers[1].model.as_deref(), Some("virtio-scsi"));
    assert_eq!(domain.features, ["acpi", "apic"]);
}

#[test]
fn each_defect_is_named() {
    let without = |element: &str| {
        let (start, end) = (SMALL.find(&format!("<{element}>")).unwrap(), format!("</{element}>"));
        let end = SMALL.find(&end).unwrap() + end.len();
        format!("{}{}", &SMALL[..start], &SMALL[end..])
    };
    for (xml, part) in [
        ("<domain>".to_owned(), "not well-formed"),
        ("<network/>".to_owned(), "its root element is <network>"),
        (without("uuid"), "<uuid> is missing"),
        (without("name"), "<name> is missing"),
        (without("memory"), "<memory> is missing"),
        (without("vcpu"), "<vcpu> is missing"),
        (SMALL.replace(">1<", ">0<"), "at least 1"),
        (SMALL.replace("1024", "99999999999999999999"), "whole number"),
        (SMALL.replace("<memory>", "<memory unit='XB'>"), "use MiB"),
        (SMALL.replace(">a<", ">a/b<"), "not allowed"),
        (SMALL.replace("bdd640fb", "x"), "32 hexadecimal digits"),
        (format!("<!DOCTYPE d [<!ENTITY e 'x'>]>{SMALL}"), "not well-formed"),
        (format!("{SMALL}{}", " ".repeat(XML_BYTES_MAX)), "are allowed"),
    ] {
        let error = parse(&xml).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_start_marks_the_document_and_keeps_everything_else() {
    let start = Start { kind: "qemu", incarnation: 7, console_path: "/log/a'b.log", sources: None };
    let xml = render_start(FULL, start).unwrap();
    assert!(xml.starts_with(
        "<domain type=\"qemu\"><metadata><pvc:vm xmlns:pvc='urn:pvc:vm:1' incarnation='7'/></metadata>"
    ));
    assert!(xml.contains("<serial type=\"pty\"><log file='/log/a&apos;b.log' append='on'/><target"));
    assert!(xml.contains("<unknown x=\"1\"><!-- kept --></unknown>"));
    assert_eq!(parse(&xml).unwrap(), parse(FULL).unwrap());
    assert_eq!(document_uuid_and_incarnation(&xml).1, Some(7));
    let again = render_start(&xml, Start { incarnation: 8, ..start }).unwrap();
    assert_eq!(again, xml.replace("incarnation='7'", "incarnation='8'"));
}

#[test]
fn empty_elements_are_opened_where_something_must_go_in() {
    let start = Start { kind: "kvm", incarnation: 1, console_path: "/c", sources: None };
    for serial in ["<serial type='pty'/>", "<serial type='pty' />", "<serial type='pty'></serial>"] {
        for metadata in ["", "<metadata/>", "<metadata></metadata>", "<metadata><x xmlns='u'/></metadata>"] {
            let xml = SMALL.replace("</domain>", &format!("{metadata}<devices>{serial}</devices></domain>"));
            let out = render_start(&xml, start).unwrap();
            assert!(out.contains("<serial type='pty'><log file='/c' append='on'/></serial>"), "{out}");
            assert_eq!(document_uuid_and_incarnation(&out).1, Some(1), "{out}");
            assert!(out.starts_with("<domain type='kvm'>"), "{out}");
        }
    }
}

#[test]
fn a_rename_touches_the_name_alone() {
    let xml = FULL.replace("A &amp; B", "web1 is web1");
    let name = "db1".parse().unwrap();
    let out = render_renamed(&xml, Some(&name), &BTreeMap::new()).unwrap();
    assert_eq!(out, xml.replace("<name>web1</name>", "<name>db1</name>"));
}

#[test]
fn volumes_that_have_other_names_are_followed_in_the_sources_alone() {
    let xml = "<domain type='kvm'><name>web1</name><description>vms/web1_sda of web1</description><devices>\
               <disk type='network'><source protocol='rbd' name=\"vms/web1_sda\"/><serial>vms/web1_sda</serial></disk>\
               <disk type='network'><source protocol='rbd' name='vms/web1_sdab'/></disk>\
               <disk type='file'><source file='/vms/web1_sda'/></disk></devices></domain>";
    let path = |name: &str| -> VolumePath { name.parse().unwrap() };
    let moved = BTreeMap::from([(path("vms/web1_sda"), path("vms/db1_sda"))]);
    let out = render_renamed(xml, None, &moved).unwrap();
    assert_eq!(out, xml.replace("name=\"vms/web1_sda\"", "name=\"vms/db1_sda\""));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*", cut in 0usize..2000) {
        let _ = parse(&text);
        let mut end = cut.min(FULL.len());
        while !FULL.is_char_boundary(end) { end -= 1; }
        let _ = parse(&FULL[..end]);
        let mixed = format!("{}{text}{}", &FULL[..end], &FULL[end..]);
        if parse(&mixed).is_ok() {
            let out = render_start(&mixed, Start { kind: "qemu", incarnation: 1, console_path: "/c", sources: None }).unwrap();
            prop_assert_eq!(parse(&out).unwrap(), parse(&mixed).unwrap());
        }
    }
}
