//! Devices of a running guest: what its document says of them, and attaching and detaching each once.

use std::collections::HashMap;
use std::sync::Arc;

use logic::id::VmId;
use roxmltree::Document;
use virt::domain::Domain;
use virt_sys as sys;

use super::{Run, Session};
use crate::device::{Device, devices};
use crate::hypervisor::Error;

/// Names in a running guest's document that statistics are told by.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The MAC address of each host interface.
    pub(super) macs: HashMap<String, String>,
    /// The VNC server's address and port.
    pub(super) vnc: Option<(String, u16)>,
}

/// The names in a running guest's document, read once per start and change of its devices.
pub(super) fn names(session: &Session<'_>, run: Run, domain: &Domain) -> Arc<Names> {
    let known = session.connection.known().get(&run).and_then(|known| known.names.clone());
    if let Some(names) = known {
        return names;
    }
    let names = Arc::new(domain.get_xml_desc(0).map(|xml| names_in(&xml)).unwrap_or_default());
    if let Some(known) = session.connection.known().get_mut(&run) {
        known.names = Some(Arc::clone(&names));
    }
    names
}

fn names_in(xml: &str) -> Names {
    let mut names = Names::default();
    let Ok(document) = Document::parse(xml) else { return names };
    for element in document.descendants() {
        let child = |name: &str| element.children().find(|child| child.has_tag_name(name));
        match element.tag_name().name() {
            "interface" => {
                let device = child("target").and_then(|target| target.attribute("dev"));
                let mac = child("mac").and_then(|mac| mac.attribute("address"));
                if let (Some(device), Some(mac)) = (device, mac) {
                    names.macs.insert(device.into(), mac.to_ascii_lowercase());
                }
            }
            "graphics" if element.attribute("type") == Some("vnc") => {
                let port = element.attribute("port").and_then(|port| port.parse().ok());
                let listen = element.attribute("listen").unwrap_or_default().to_owned();
                names.vnc = port.map(|port| (listen, port));
            }
            _ => {}
        }
    }
    names
}

/// Attaches the device, unless the guest has it.
pub(super) fn attach(session: &Session<'_>, vm: VmId, xml: &str) -> Result<(), Error> {
    let Some((run, domain)) = lacking(session, vm, xml, Present::No)? else { return Ok(()) };
    session.still_wanted()?;
    let attached = domain.attach_device_flags(xml, sys::VIR_DOMAIN_AFFECT_LIVE);
    forget_names(session, run);
    attached.map(drop).map_err(|error| session.refused(vm, &error))
}

/// Detaches the device, if the guest has it. The guest may take its time to let go of it.
pub(super) fn detach(session: &Session<'_>, vm: VmId, xml: &str) -> Result<(), Error> {
    let Some((run, domain)) = lacking(session, vm, xml, Present::Yes)? else { return Ok(()) };
    session.still_wanted()?;
    let detached = domain.detach_device_flags(xml, sys::VIR_DOMAIN_AFFECT_LIVE);
    forget_names(session, run);
    detached.map(drop).map_err(|error| session.refused(vm, &error))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Present {
    Yes,
    No,
}

/// The running guest, if the device is (or is not) among its devices.
fn lacking(
    session: &Session<'_>,
    vm: VmId,
    xml: &str,
    present: Present,
) -> Result<Option<(Run, Domain)>, Error> {
    let refuse = |why: String| Error::Refused { call: session.call, vm, why };
    let device = Device::parse(xml).map_err(refuse)?;
    let (run, domain) = session.find(vm)?.ok_or_else(|| refuse("it does not run".into()))?;
    let document = domain.get_xml_desc(0).map_err(|error| session.refused(vm, &error))?;
    let there = if devices(&document).contains(&device) { Present::Yes } else { Present::No };
    Ok((there == present).then_some((run, domain)))
}

fn forget_names(session: &Session<'_>, run: Run) {
    if let Some(known) = session.connection.known().get_mut(&run) {
        known.names = None;
    }
}

#[cfg(test)]
mod tests;
