//! The commands of `pvc vm volume`: a disk more or less in a VM's document, and in the VM while it runs.

use api::client::{Method, Request};
use api::{Disk, Vm, Volume};
use roxmltree::{Document, Node};

use super::{only, wait};
use crate::args::TableFormat;
use crate::args::disk::{AddDisk, DiskCommand, DiskKind, Effect, RemoveDisk};
use crate::args::storage::TaskManner;
use crate::ask::{agrees, confirm};
use crate::failure::Failure;
use crate::print::{json, vm as print};
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: DiskCommand, session: &Session) -> Result<(), Failure> {
    match command {
        DiskCommand::Get { domain, format } => show(session, &domain, format),
        DiskCommand::Add(disk) => add(session, &disk),
        DiskCommand::Remove(disk) => remove(session, &disk),
    }
}

fn show(session: &Session, domain: &str, format: TableFormat) -> Result<(), Failure> {
    let vm: Vm = vm_of(session, domain)?;
    let text = || serde_json::to_string(&vm.disks).expect("disks are plain data");
    session.screen.show(&match format {
        TableFormat::Pretty => print::disks(&vm.disks, session.screen.paint),
        TableFormat::Raw => vm.disks.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>().join("\n"),
        TableFormat::Json => json::compact(&text()),
        TableFormat::JsonPretty => json::pretty(&text()),
    })
}

fn vm_of(session: &Session, domain: &str) -> Result<Vm, Failure> {
    only(&session.ask(&Request::get(&["vm", domain]))?)
}

fn add(session: &Session, disk: &AddDisk) -> Result<(), Failure> {
    let vm = vm_of(session, &disk.domain)?;
    if let Some(there) = vm.disks.iter().find(|there| there.name == disk.volume) {
        let why = format!("VM \"{}\" has {} already, as its disk {}.", vm.name, there.name, there.dev);
        return Err(Failure::Other(why));
    }
    if disk.kind == DiskKind::Rbd {
        // The API says what is not there.
        let (pool, volume) = disk.volume.split_once('/').ok_or_else(|| {
            Failure::Other(format!("\"{}\" is no volume. One is written as POOL/VOLUME.", disk.volume))
        })?;
        let _there: Volume =
            only(&session.ask(&Request::get(&["storage", "ceph", "volume", pool, volume]))?)?;
    }
    let dev = match &disk.disk_id {
        Some(dev) => dev.clone(),
        None => next_free(&vm.disks, disk.bus.prefix())?,
    };
    if vm.disks.iter().any(|there| there.dev == dev) {
        return Err(Failure::Other(format!(
            "VM \"{}\" has a disk {dev} already. Choose another with --disk-id.",
            vm.name
        )));
    }
    let element = element(disk, &dev);
    let at = vm.xml.rfind("</devices>").ok_or_else(unreadable)?;
    let mut document = vm.xml.clone();
    document.insert_str(at, &format!("  {element}\n  "));
    let question = format!("Add volume \"{}\" to VM \"{}\" as disk {dev}?", disk.volume, vm.name);
    let change = Change { vm: &vm, document: &document, element: &element, method: Method::Post };
    apply(session, &change, disk.effect, &question)
}

fn remove(session: &Session, disk: &RemoveDisk) -> Result<(), Failure> {
    let vm = vm_of(session, &disk.domain)?;
    let parsed = Document::parse(&vm.xml).map_err(|_| unreadable())?;
    let found =
        parsed.descendants().find(|element| element.has_tag_name("disk") && is(*element, &disk.volume));
    let Some(found) = found else {
        let why = format!("VM \"{}\" has no volume \"{}\". See: pvc vm volume get {0}", vm.name, disk.volume);
        return Err(Failure::Other(why));
    };
    let (range, element) = (found.range(), vm.xml[found.range()].to_owned());
    let before = vm.xml[..range.start].trim_end_matches([' ', '\t']);
    let after = &vm.xml[range.end..];
    let document = format!("{before}{}", after.strip_prefix('\n').unwrap_or(after));
    let question = format!("Take volume \"{}\" from VM \"{}\"? The volume is kept.", disk.volume, vm.name);
    let change = Change { vm: &vm, document: &document, element: &element, method: Method::Delete };
    apply(session, &change, disk.effect, &question)
}

/// A change of a VM's disks.
struct Change<'a> {
    vm: &'a Vm,
    document: &'a str,
    element: &'a str,
    /// How the device is asked for.
    method: Method,
}

/// Changes the document, and then the VM that runs: at once, or by a restart where that is wished.
fn apply(session: &Session, change: &Change<'_>, effect: Effect, question: &str) -> Result<(), Failure> {
    let Change { vm, document, element, method } = change;
    confirm(session, question, effect.yes.into())?;
    let runs = vm.state == "start";
    let live = runs && !effect.no_live && !effect.restart;
    let asks = runs && !live && !effect.no_restart;
    let restart = asks && {
        let agreed = (effect.restart || effect.yes).into();
        agrees(session, &format!("Restart VM \"{}\" now, so that the change takes effect?", vm.name), agreed)?
    };
    let request = Request::new(Method::Put, &["vm", &vm.name])
        .with("restart", if restart { "true" } else { "false" })
        .with_long("xml", *document);
    session.order(&request)?;
    if live {
        let request = Request::new(*method, &["vm", &vm.name, "device"]).with("xml", element);
        let manner = TaskManner { wait: true, no_wait: false, yes: true };
        return wait::ordered(session, &request, manner).map_err(|failure| {
            Failure::Other(format!(
                "{failure}\nThe document is changed, and takes effect when the VM is restarted: pvc vm restart {}",
                vm.name
            ))
        });
    }
    if runs && !restart {
        session.screen.note(&format!("It runs as before until it is restarted: pvc vm restart {}", vm.name));
    }
    Ok(())
}

/// The first name with this beginning that no disk has.
fn next_free(disks: &[Disk], prefix: &str) -> Result<String, Failure> {
    let names = ('a'..='z').map(|letter| format!("{prefix}{letter}"));
    let free = names.into_iter().find(|name| disks.iter().all(|disk| disk.dev != *name));
    free.ok_or_else(|| {
        Failure::Other(format!("All names from {prefix}a to {prefix}z are taken. Give one with --disk-id."))
    })
}

/// The disk as libvirt reads it. What is needed to reach a volume of the cluster's the node adds by itself.
fn element(disk: &AddDisk, dev: &str) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
    let (kind, driver, source) = match disk.kind {
        DiskKind::Rbd => {
            ("network", " type='raw'", format!("protocol='rbd' name='{}'", escape(&disk.volume)))
        }
        DiskKind::File => ("file", "", format!("file='{}'", escape(&disk.volume))),
    };
    format!(
        "<disk type='{kind}' device='disk'><driver name='qemu'{driver} discard='unmap'/><source {source}/>\
         <target dev='{}' bus='{}'/></disk>",
        escape(dev),
        disk.bus.as_str()
    )
}

/// Whether a disk is of this volume or file, or has this name.
fn is(disk: Node<'_, '_>, name: &str) -> bool {
    let child = |tag: &str| disk.children().find(|child| child.has_tag_name(tag));
    let said = |tag: &str, attribute: &str| child(tag).and_then(|child| child.attribute(attribute));
    said("source", "name") == Some(name)
        || said("source", "file") == Some(name)
        || said("target", "dev") == Some(name)
}

fn unreadable() -> Failure {
    Failure::Other("The VM's document cannot be read. See it with: pvc vm dump".into())
}
