//! Volumes in documents: which are named, and how they are found.

use super::super::{Start, parse, render_start};
use super::*;

fn ceph() -> Sources {
    Sources::Ceph(CephAccess {
        monitors: vec!["10.0.0.1:6789".parse().unwrap(), "10.0.0.2:6789".parse().unwrap()],
        user: "pvc".into(),
        secret: Uuid::from_u128(7),
    })
}

fn file(format: &'static str) -> Sources {
    let file = VolumeFile { path: "/var/lib/pvc/storage/vms/web_sda.qcow2".into(), format };
    Sources::Files([("vms/web_sda".parse().unwrap(), file)].into())
}

const ACCESS: &str = "<host name='10.0.0.1' port='6789'/><host name='10.0.0.2' port='6789'/>\
    <auth username='pvc'><secret type='ceph' uuid='00000000-0000-0000-0000-000000000007'/></auth>";

fn document(disks: &str) -> String {
    format!(
        "<domain><name>a</name><uuid>bdd640fb-0667-4ad1-9c80-317fa3b1799d</uuid><memory>1024</memory>\
         <vcpu>1</vcpu><devices>{disks}</devices></domain>"
    )
}

/// The disk as it is when its volume is in Ceph, with these words in its driver.
fn found(driver: &str, more: &str) -> String {
    format!(
        "<disk type='network' device='disk'><driver{driver}/><source protocol='rbd' name='vms/web_sda'>{ACCESS}{more}\
         </source><target dev='sda' bus='scsi'/></disk>"
    )
}

#[test]
fn a_volume_in_ceph_is_found_by_monitors_user_and_secret_whatever_was_written() {
    let all = " name='qemu' type='raw' cache='none' discard='unmap'";
    for (written, rendered) in [
        (
            "<disk type='network' device='disk'><source protocol='rbd' name='vms/web_sda'/>\
             <target dev='sda' bus='scsi'/></disk>",
            found(all, ""),
        ),
        (
            "<disk type='network' device='disk'><source protocol='rbd' name='vms/web_sda'></source>\
             <target dev='sda' bus='scsi'/></disk>",
            found(all, ""),
        ),
        // The monitors, the user and the secret of another cluster, in the two places where they may be.
        (
            "<disk type='network' device='disk'><driver name='qemu' discard='unmap'/><auth username='libvirt'>\
             <secret type='ceph' uuid='9'/></auth><source protocol='rbd' name='vms/web_sda'><host name='old' port='6789'/>\
             </source><target dev='sda' bus='scsi'/></disk>",
            found(" type='raw' cache='none' name='qemu' discard='unmap'", ""),
        ),
        (
            "<disk type='network' device='disk'><driver cache='writeback'/><source protocol='rbd' name='vms/web_sda'>\
             <host name='old'/><auth username='x'><secret type='ceph' uuid='9'/></auth><config file='/x'/></source>\
             <target dev='sda' bus='scsi'/></disk>",
            found(" name='qemu' type='raw' discard='unmap' cache='writeback'", "<config file='/x'/>"),
        ),
    ] {
        assert_eq!(render_device(written, &ceph()).unwrap(), rendered);
        // What was rendered is rendered to itself.
        assert_eq!(render_device(&rendered, &ceph()).unwrap(), rendered);
    }
}

#[test]
fn a_volume_in_a_directory_is_a_file_of_its_format() {
    let written = "<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>\
        <auth username='libvirt'><secret type='ceph' uuid='9'/></auth><source protocol='rbd' name='vms/web_sda'>\
        <host name='a'/></source><target dev='sda' bus='scsi'/></disk>";
    assert_eq!(
        render_device(written, &file("qcow2")).unwrap(),
        "<disk type='file' device='disk'><driver discard='unmap' name='qemu' type='qcow2' cache='none'/>\
         <source file='/var/lib/pvc/storage/vms/web_sda.qcow2'/><target dev='sda' bus='scsi'/></disk>"
    );
    let short = "<disk type='network'><source protocol='rbd' name='vms/web_sda'/><target dev='sda'/></disk>";
    assert_eq!(
        render_device(short, &file("raw")).unwrap(),
        "<disk type='file'><driver name='qemu' type='raw' discard='unmap'/>\
         <source file='/var/lib/pvc/storage/vms/web_sda.qcow2'/><target dev='sda'/></disk>"
    );
    let error = render_device(&short.replace("web_sda", "other"), &file("raw")).unwrap_err();
    assert_eq!(error.to_string(), "the disk sda is the volume \"vms/other\": this node does not find it");
}

#[test]
fn what_is_no_volume_is_left_as_it_is() {
    for other in [
        "<disk type='file'><source file='/a.img'/><target dev='vda'/></disk>",
        "<disk type='network'><source protocol='nbd' name='vms/web_sda'/><target dev='vda'/></disk>",
        "<interface type='bridge'><source bridge='vmbr1'/></interface>",
    ] {
        assert_eq!(render_device(other, &ceph()).unwrap(), other);
        let whole = document(other);
        let start = Start { kind: "qemu", incarnation: 1, console_path: "/c", sources: None };
        let with = Start { sources: Some(&file("raw")), ..start };
        assert_eq!(render_start(&whole, with).unwrap(), render_start(&whole, start).unwrap());
    }
}

#[test]
fn a_start_finds_every_volume_of_the_document_and_the_document_says_the_same_of_the_vm() {
    let disk = |name: &str, dev: &str| {
        format!("<disk type='network'><source protocol='rbd' name='{name}'/><target dev='{dev}'/></disk>")
    };
    let whole =
        document(&(disk("vms/web_sda", "sda") + "<serial type='pty'/>" + &disk("fast/web_sdb", "sdb")));
    let sources = ceph();
    let start = Start { kind: "qemu", incarnation: 1, console_path: "/c", sources: Some(&sources) };
    let rendered = render_start(&whole, start).unwrap();
    assert_eq!(rendered.matches(ACCESS).count(), 2, "{rendered}");
    assert_eq!(parse(&rendered).unwrap(), parse(&whole).unwrap());
}

#[test]
fn the_volumes_of_a_document_are_told_in_their_order_and_bad_ones_by_name() {
    let disk = |name: &str, dev: &str, more: &str| {
        format!(
            "<disk type='network'><source protocol='rbd' name='{name}'/><target dev='{dev}'/>{more}</disk>"
        )
    };
    let volumes = |disks: String| parse(&document(&disks)).unwrap().volumes();
    let two = disk("vms/b", "sda", "") + "<disk type='file'/>" + &disk("vms/a", "sdb", "<shareable/>");
    let told: Vec<_> =
        volumes(two).unwrap().into_iter().map(|v| (v.path.to_string(), v.dev, v.sharing)).collect();
    let expected = [("vms/b", "sda", Sharing::Alone), ("vms/a", "sdb", Sharing::Shared)];
    assert_eq!(told, expected.map(|(path, dev, sharing)| (path.to_owned(), dev.to_owned(), sharing)));
    for (disks, why) in [
        (disk("a", "sda", ""), "the disk sda is the volume \"a\": it is written as pool/volume"),
        (
            disk("vms/a", "sda", "") + &disk("vms/a", "sdb", ""),
            "the disk sdb is the volume \"vms/a\": another disk",
        ),
    ] {
        let error = volumes(disks).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
}
