//! A document completed for a start, and renamed: splices at the places the parser reports.

use std::collections::BTreeMap;

use roxmltree::Node as Element;

use super::disks::{self, Sources};
use super::{DomainError, child, with_domain};
use crate::id::VmName;
use crate::storage::VolumePath;

/// The namespace of PVC's mark in a running guest's metadata.
pub const METADATA_URI: &str = "urn:pvc:vm:1";

/// What is put into a document when its VM is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    /// The accelerator: libvirt's domain type, `kvm` or `qemu`.
    pub kind: &'a str,
    /// The mark.
    pub incarnation: u64,
    /// Where the first serial port's output is kept.
    pub console_path: &'a str,
    /// Where the volumes of PVC's storage are; `None` leaves them as they are written.
    pub sources: Option<&'a Sources>,
}

/// Where a node keeps what a VM's guest says on its first serial port.
pub fn console_path(directory: &str, name: &str) -> String {
    format!("{directory}/{name}-console.log")
}

/// One replacement of a stretch of the text.
pub(super) struct Splice {
    pub(super) range: std::ops::Range<usize>,
    pub(super) text: String,
}

/// The document with the given accelerator, PVC's mark with the incarnation, the first serial port logged, and its
/// volumes found.
///
/// # Errors
/// [`DomainError`] when the document cannot be read.
pub fn render_start(xml: &str, start: Start<'_>) -> Result<String, DomainError> {
    with_domain(xml, |domain| {
        let mut splices = vec![kind(xml, domain, start.kind), metadata(xml, domain, start.incarnation)];
        if let Some(serial) = child(domain, "devices").and_then(|devices| child(devices, "serial")) {
            let log = format!("<log file='{}' append='on'/>", escape(start.console_path));
            splices.push(match child(serial, "log") {
                Some(present) => Splice { range: present.range(), text: log },
                None => insert_first(xml, serial, &log),
            });
        }
        if let Some(sources) = start.sources {
            splices.extend(disks::splices(xml, domain, sources)?);
        }
        Ok(spliced(xml, splices))
    })
}

/// The document with another name, where one is given, and with other names in the sources of disks whose volumes have
/// them. Nothing else in it is touched.
///
/// # Errors
/// [`DomainError`] when the document cannot be read.
pub fn render_renamed(
    xml: &str,
    name: Option<&VmName>,
    moved: &BTreeMap<VolumePath, VolumePath>,
) -> Result<String, DomainError> {
    with_domain(xml, |domain| {
        let mut splices = disks::moved(domain, moved);
        if let Some(name) = name {
            let element = child(domain, "name").ok_or(DomainError::Missing { field: "name" })?;
            splices.push(Splice { range: element.range(), text: format!("<name>{name}</name>") });
        }
        Ok(spliced(xml, splices))
    })
}

/// The UUID and PVC's mark of a running guest's document, as far as they are there.
pub fn document_uuid_and_incarnation(xml: &str) -> (Option<crate::id::VmId>, Option<u64>) {
    with_domain(xml, |domain| {
        let id = child(domain, "uuid").and_then(|uuid| uuid.text()).and_then(|text| text.trim().parse().ok());
        let mark = child(domain, "metadata")
            .and_then(|metadata| metadata.children().find(|m| m.has_tag_name((METADATA_URI, "vm"))))
            .and_then(|mark| mark.attribute("incarnation"))
            .and_then(|text| text.parse().ok());
        Ok((id, mark))
    })
    .unwrap_or((None, None))
}

fn kind(xml: &str, domain: Element<'_, '_>, kind: &str) -> Splice {
    match domain.attribute_node("type") {
        Some(present) => Splice { range: present.range_value(), text: escape(kind) },
        None => {
            let at = domain.range().start + "<domain".len();
            debug_assert!(xml[..at].ends_with("<domain"), "the root was found to be <domain>");
            Splice { range: at..at, text: format!(" type='{}'", escape(kind)) }
        }
    }
}

fn metadata(xml: &str, domain: Element<'_, '_>, incarnation: u64) -> Splice {
    let mark = format!("<pvc:vm xmlns:pvc='{METADATA_URI}' incarnation='{incarnation}'/>");
    let Some(metadata) = child(domain, "metadata") else {
        return insert_first(xml, domain, &format!("<metadata>{mark}</metadata>"));
    };
    match metadata.children().find(|m| m.has_tag_name((METADATA_URI, "vm"))) {
        Some(present) => Splice { range: present.range(), text: mark },
        None => insert_first(xml, metadata, &mark),
    }
}

/// Puts text right behind an element's start tag, which is opened where it was empty (`<a/>`).
pub(super) fn insert_first(xml: &str, element: Element<'_, '_>, text: &str) -> Splice {
    let range = element.range();
    if let Some(first) = element.first_child() {
        let at = first.range().start;
        return Splice { range: at..at, text: text.into() };
    }
    let whole = &xml[range.clone()];
    let tag: String =
        whole[1..].chars().take_while(|c| !c.is_whitespace() && !matches!(c, '/' | '>')).collect();
    let head = match whole.strip_suffix("/>") {
        Some(head) => head.trim_end().to_owned(),
        None => whole[..whole.rfind("</").unwrap_or(whole.len())].trim_end().trim_end_matches('>').to_owned(),
    };
    Splice { text: format!("{head}>{text}</{tag}>"), range }
}

pub(super) fn spliced(xml: &str, mut splices: Vec<Splice>) -> String {
    // What is put in at a place comes before what is taken out from there on.
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut text = String::with_capacity(xml.len() + 256);
    let mut at = 0;
    for splice in splices {
        text.push_str(&xml[at..splice.range.start]);
        text.push_str(&splice.text);
        at = splice.range.end;
    }
    text.push_str(&xml[at..]);
    text
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
        .replace('"', "&quot;")
}
