//! The VMs' documents, read once per version and kept: a list of a thousand VMs parses nothing.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use logic::cluster::VmEntry;
use logic::id::VmId;
use logic::record::Version;
use logic::vm::domain::{self, Domain};

/// What was read of a document, and at which version; nothing where it cannot be read.
type Shape = (Version, Option<Arc<Domain>>);

/// What was read of each document.
#[derive(Debug, Default)]
pub struct Shapes {
    read: RwLock<HashMap<VmId, Shape>>,
}

impl Shapes {
    /// What a VM's document says; `None` where it is missing or cannot be read.
    pub fn of(&self, id: VmId, entry: &VmEntry) -> Option<Arc<Domain>> {
        let xml = entry.xml.as_ref()?;
        let kept = self.read.read().expect("no thread panics while it keeps a shape").get(&id).cloned();
        if let Some((version, shape)) = kept
            && version == xml.version
        {
            return shape;
        }
        let shape = domain::parse(&xml.value).ok().map(Arc::new);
        let mut read = self.read.write().expect("no thread panics while it keeps a shape");
        read.insert(id, (xml.version, shape.clone()));
        shape
    }

    /// Forgets the VMs that are gone, when there are many of them.
    pub fn forget_others(&self, cluster: &logic::cluster::Cluster) {
        let kept = self.read.read().expect("no thread panics while it keeps a shape").len();
        if kept > 2 * cluster.vms.len() + 64 {
            let mut read = self.read.write().expect("no thread panics while it keeps a shape");
            read.retain(|id, _| cluster.vms.contains_key(id));
        }
    }
}
