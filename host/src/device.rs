//! What tells one device of a guest from another: a disk's target, an interface's MAC address.

use roxmltree::{Document, Node as Element};

/// A device that can be attached and detached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Device {
    /// A disk, by its target device: `vda`.
    Disk(String),
    /// An interface, by its MAC address in lower case.
    Interface(String),
}

impl Device {
    /// Reads the device that a document describes.
    ///
    /// The error says, for an operator, what the document lacks.
    pub(crate) fn parse(xml: &str) -> Result<Self, String> {
        let document =
            Document::parse(xml).map_err(|error| format!("the device is not well-formed XML: {error}"))?;
        let root = document.root_element();
        Self::of(root).ok_or_else(|| match root.tag_name().name() {
            "disk" => "the disk has no <target dev='…'/>".into(),
            "interface" => "the interface has no <mac address='…'/>".into(),
            other => format!("a <{other}> cannot be attached or detached; a disk or an interface can"),
        })
    }

    /// The device that an element of a guest's document describes, if it can be told from others.
    pub(crate) fn of(element: Element<'_, '_>) -> Option<Self> {
        let named = |child: &str, attribute| {
            element.children().find(|c| c.has_tag_name(child)).and_then(|c| c.attribute(attribute))
        };
        match element.tag_name().name() {
            "disk" => named("target", "dev").map(|dev| Self::Disk(dev.to_owned())),
            "interface" => named("mac", "address").map(|mac| Self::Interface(mac.to_ascii_lowercase())),
            _ => None,
        }
    }
}

/// The sources of the disks in a document, or in the element of one disk: a file, or a volume's name; each with its
/// target device. None where it cannot be read.
pub(crate) fn sources(xml: &str) -> Vec<(String, String)> {
    let Ok(document) = Document::parse(xml) else { return Vec::new() };
    let disks = document.descendants().filter(|element| element.has_tag_name("disk"));
    let sourced = disks.filter_map(|disk| {
        let child = |name: &str| disk.children().find(|child| child.has_tag_name(name));
        let source = child("source")?;
        let source = source.attribute("file").or_else(|| source.attribute("name"))?;
        Some((source.to_owned(), child("target")?.attribute("dev")?.to_owned()))
    });
    sourced.collect()
}

/// The disks and interfaces in a guest's document; none where it cannot be read.
pub(crate) fn devices(domain_xml: &str) -> Vec<Device> {
    let Ok(document) = Document::parse(domain_xml) else { return Vec::new() };
    let devices = document.root_element().children().find(|c| c.has_tag_name("devices"));
    devices.into_iter().flat_map(|devices| devices.children()).filter_map(Device::of).collect()
}
