//! The libvirt document: read into what the API shows, and completed for a start.
//!
//! The operator's document is stored and edited as text: edits are splices at the places the parser reports, so that
//! whatever PVC does not know of stays byte for byte. Documents with a DTD are refused, which ends entity tricks.

use std::collections::BTreeSet;

use roxmltree::{Document, Node as Element};

use crate::id::{BadId, VmId, VmName};
use crate::limits::XML_BYTES_MAX;
use crate::network::GUEST_BRIDGE_PREFIX;

mod bound;
pub mod disks;
mod render;

use disks::{Sharing, VolumeUse};
pub use render::{
    METADATA_URI, Start, console_path, document_uuid_and_incarnation, render_renamed, render_start,
};

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not XML.
    #[error("it is not well-formed: {why}")]
    Malformed {
        /// What is wrong, with line and column.
        why: String,
    },
    /// It is too long.
    #[error("it has {bytes} bytes; {bytes_max} are allowed")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// It is XML, but of something else.
    #[error("its root element is <{root}>, not <domain>")]
    NotADomain {
        /// The root it has.
        root: String,
    },
    /// A field that every VM has is not there.
    #[error("the element <{field}> is missing")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A disk that names a volume which cannot be one, or which another disk has.
    #[error("the disk {dev} is the volume \"{name}\": {why}")]
    BadVolume {
        /// The disk's target.
        dev: String,
        /// What it names.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A field that cannot be understood.
    #[error("the element <{field}> is \"{value}\": {why}")]
    BadField {
        /// Which.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should be.
        why: String,
    },
}

/// A network interface as the document has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `bridge`, `direct`, `hostdev`, `network`, …
    pub kind: String,
    /// Its MAC address in lower case; empty where libvirt is to choose one.
    pub mac: String,
    /// The bridge, device or network it is attached to.
    pub source: String,
    /// The device model.
    pub model: String,
}

impl Interface {
    /// The number of the PVC network it is attached to, as text: the digits in `vmbr1000`; empty for others.
    pub fn vni(&self) -> &str {
        self.source
            .strip_prefix(GUEST_BRIDGE_PREFIX)
            .filter(|vni| vni.bytes().all(|b| b.is_ascii_digit()))
            .unwrap_or_default()
    }
}

/// A disk as the document has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// `rbd`, `file`, `block`, …
    pub kind: String,
    /// The volume, or the path.
    pub name: String,
    /// The target device.
    pub dev: String,
    /// The target bus.
    pub bus: String,
    /// Whether others may have it open too.
    pub sharing: Sharing,
}

/// A controller as the document has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// `usb`, `pci`, `scsi`, …
    pub kind: String,
    /// Its model, if it has one.
    pub model: Option<String>,
}

/// What PVC reads in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The VM's identity.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// Its description.
    pub description: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// vCPUs.
    pub vcpus: u32,
    /// `sockets/cores/threads`.
    pub topology: String,
    /// `hvm`.
    pub os_kind: String,
    /// `x86_64`.
    pub arch: String,
    /// The machine model.
    pub machine: String,
    /// `pty`, or empty.
    pub console: String,
    /// The VNC listen address and port as written, where there is a VNC display.
    pub vnc: Option<(String, String)>,
    /// The emulator's path.
    pub emulator: String,
    /// `acpi`, `apic`, …
    pub features: Vec<String>,
    /// Its interfaces, in order.
    pub interfaces: Vec<Interface>,
    /// Its disks, in order.
    pub disks: Vec<Disk>,
    /// Its controllers, in order.
    pub controllers: Vec<Controller>,
    /// Why it cannot move while it runs; `None` where nothing here is against it.
    pub bound: Option<String>,
}

impl Domain {
    /// The volumes of PVC's storage that its disks are, in their order.
    ///
    /// # Errors
    /// [`DomainError`] names a disk whose volume is not written as `pool/volume`, or is named twice.
    pub fn volumes(&self) -> Result<Vec<VolumeUse>, DomainError> {
        disks::volumes(&self.disks)
    }

    /// The links of its node that it is attached to: bridges, and devices that it shares directly.
    pub fn links(&self) -> BTreeSet<String> {
        let is_link = |interface: &&Interface| {
            matches!(interface.kind.as_str(), "bridge" | "direct") && !interface.source.is_empty()
        };
        self.interfaces.iter().filter(is_link).map(|interface| interface.source.clone()).collect()
    }
}

/// Parses the text and finds the `<domain>` element.
fn with_domain<T>(
    xml: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, DomainError>,
) -> Result<T, DomainError> {
    with_root(xml, |root| match root.tag_name().name() {
        "domain" => read(root),
        other => Err(DomainError::NotADomain { root: other.into() }),
    })
}

/// Parses the text, whatever its root element is.
fn with_root<T>(
    xml: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, DomainError>,
) -> Result<T, DomainError> {
    if xml.len() > XML_BYTES_MAX {
        return Err(DomainError::TooLong { bytes: xml.len(), bytes_max: XML_BYTES_MAX });
    }
    let document = Document::parse(xml).map_err(|error| DomainError::Malformed { why: error.to_string() })?;
    read(document.root_element())
}

/// Reads a document.
///
/// # Errors
/// [`DomainError`] names the element and what is wrong with it.
pub fn parse(xml: &str) -> Result<Domain, DomainError> {
    with_domain(xml, |domain| {
        let devices = child(domain, "devices");
        let list = |name: &'static str| {
            devices.into_iter().flat_map(move |d| d.children().filter(move |c| c.has_tag_name(name)))
        };
        let os_kind = child(domain, "os").and_then(|os| child(os, "type"));
        Ok(Domain {
            id: field(domain, "uuid", |text| text.parse().map_err(|e: BadId| e.why.to_owned()))?,
            name: field(domain, "name", |text| text.parse().map_err(|e: BadId| e.why.to_owned()))?,
            description: text_of(child(domain, "description")),
            memory_mib: memory_mib(domain)?,
            vcpus: field(domain, "vcpu", |text| match text.parse() {
                Ok(vcpus) if vcpus > 0 => Ok(vcpus),
                _ => Err("it must be a whole number of at least 1".into()),
            })?,
            topology: topology(domain),
            os_kind: text_of(os_kind),
            arch: attribute(os_kind, "arch"),
            machine: attribute(os_kind, "machine"),
            console: attribute(list("console").next(), "type"),
            vnc: list("graphics").find(|g| g.attribute("type") == Some("vnc")).map(vnc),
            emulator: text_of(list("emulator").next()),
            features: child(domain, "features")
                .into_iter()
                .flat_map(|features| features.children().filter(Element::is_element))
                .map(|feature| feature.tag_name().name().to_owned())
                .collect(),
            interfaces: list("interface").map(interface).collect(),
            disks: list("disk").map(disk).collect(),
            controllers: list("controller")
                .map(|c| Controller {
                    kind: attribute(Some(c), "type"),
                    model: c.attribute("model").map(str::to_owned),
                })
                .collect(),
            bound: bound::bound(domain),
        })
    })
}

fn child<'a, 'i>(element: Element<'a, 'i>, name: &str) -> Option<Element<'a, 'i>> {
    element.children().find(|child| child.has_tag_name(name))
}

fn text_of(element: Option<Element<'_, '_>>) -> String {
    element.and_then(|e| e.text()).unwrap_or_default().trim().to_owned()
}

fn attribute(element: Option<Element<'_, '_>>, name: &str) -> String {
    element.and_then(|e| e.attribute(name)).unwrap_or_default().to_owned()
}

fn field<T>(
    domain: Element<'_, '_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, DomainError> {
    let text = text_of(Some(child(domain, name).ok_or(DomainError::Missing { field: name })?));
    read(&text).map_err(|why| DomainError::BadField {
        field: name,
        value: text.chars().take(80).collect(),
        why,
    })
}

/// Memory in MiB, rounded up. libvirt's unit is KiB where none is written.
fn memory_mib(domain: Element<'_, '_>) -> Result<u64, DomainError> {
    let unit = attribute(child(domain, "memory"), "unit");
    field(domain, "memory", |text| {
        let bytes_per_unit: u64 = match unit.as_str() {
            "b" | "bytes" => 1,
            "KB" => 1_000,
            "" | "k" | "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "M" | "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "G" | "GiB" => 1 << 30,
            "TB" => 1_000_000_000_000,
            "T" | "TiB" => 1 << 40,
            other => return Err(format!("the unit \"{other}\" is not known; use MiB")),
        };
        let bytes = text.parse::<u64>().ok().and_then(|amount| amount.checked_mul(bytes_per_unit));
        match bytes {
            Some(bytes) if bytes > 0 => Ok(bytes.div_ceil(1 << 20)),
            _ => Err("it must be a whole number of at least 1".into()),
        }
    })
}

fn topology(domain: Element<'_, '_>) -> String {
    let topology = child(domain, "cpu").and_then(|cpu| child(cpu, "topology"));
    let part = |name| topology.and_then(|t| t.attribute(name)).unwrap_or("1");
    match topology {
        Some(_) => format!("{}/{}/{}", part("sockets"), part("cores"), part("threads")),
        None => "N/A".into(),
    }
}

fn vnc(graphics: Element<'_, '_>) -> (String, String) {
    let listen = attribute(Some(graphics), "listen");
    let listen = if listen.is_empty() { attribute(child(graphics, "listen"), "address") } else { listen };
    (listen, attribute(Some(graphics), "port"))
}

fn interface(element: Element<'_, '_>) -> Interface {
    let kind = attribute(Some(element), "type");
    let source = child(element, "source");
    // The source's attribute is named like the kind for bridges and networks, and `dev` for direct attachment.
    let named = if kind == "direct" { "dev" } else { kind.as_str() };
    Interface {
        mac: attribute(child(element, "mac"), "address").to_ascii_lowercase(),
        source: attribute(source, named),
        model: attribute(child(element, "model"), "type"),
        kind,
    }
}

fn disk(element: Element<'_, '_>) -> Disk {
    let source = child(element, "source");
    let (kind, name) = match element.attribute("type").unwrap_or("file") {
        "network" => (attribute(source, "protocol"), attribute(source, "name")),
        "block" => ("block".into(), attribute(source, "dev")),
        other => (other.to_owned(), attribute(source, "file")),
    };
    let target = child(element, "target");
    let declared = child(element, "readonly").or_else(|| child(element, "shareable"));
    let sharing = if declared.is_some() { Sharing::Shared } else { Sharing::Alone };
    Disk { kind, name, dev: attribute(target, "dev"), bus: attribute(target, "bus"), sharing }
}

#[cfg(test)]
mod tests;
