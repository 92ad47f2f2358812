//! What of a document holds a VM to its machine, so that it cannot move while it runs.

use roxmltree::Node as Element;

use super::{attribute, child};

/// Why the VM cannot move while it runs, in words for its operator; `None` where nothing in the document is against it.
pub(super) fn bound(domain: Element<'_, '_>) -> Option<String> {
    let devices = child(domain, "devices")?;
    devices.children().filter(Element::is_element).find_map(|device| match device.tag_name().name() {
        "hostdev" => Some("a device of its machine is passed through to it".into()),
        "interface" if device.attribute("type") == Some("hostdev") => {
            Some("a network device of its machine is passed through to it".into())
        }
        "disk" => local_disk(device),
        "filesystem" => Some("it shares a folder with its machine".into()),
        "shmem" => Some("it shares memory with its machine".into()),
        _ => None,
    })
}

/// A disk that only this machine has. What is never written, or declared to be shared, may be elsewhere too.
fn local_disk(disk: Element<'_, '_>) -> Option<String> {
    let declared = child(disk, "readonly").or_else(|| child(disk, "shareable")).is_some();
    let kind = disk.attribute("type").unwrap_or("file");
    if declared || child(disk, "source").is_none() || kind == "network" {
        return None;
    }
    let dev = attribute(child(disk, "target"), "dev");
    Some(format!("its disk {dev} is of the kind \"{kind}\", which its machine alone has"))
}
