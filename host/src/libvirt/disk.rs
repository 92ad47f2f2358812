//! Disks of a running guest that grow: found by their source, and never made smaller.

use logic::id::VmId;
use virt_sys as sys;

use super::Session;
use crate::device::sources;
use crate::hypervisor::Error;

/// Gives the disk with this source this size.
pub(super) fn resize(session: &Session<'_>, vm: VmId, source: &str, size_bytes: u64) -> Result<(), Error> {
    let refuse = |why: String| Error::Refused { call: session.call, vm, why };
    let Some((_, domain)) = session.find(vm)? else { return Ok(()) };
    let document = domain.get_xml_desc(0).map_err(|error| session.refused(vm, &error))?;
    let found = sources(&document).into_iter().find(|(found, _)| found == source);
    let Some((_, target)) = found else { return Ok(()) };
    let has = domain.get_block_info(&target, 0).map_err(|error| session.refused(vm, &error))?.capacity;
    if has > size_bytes {
        return Err(refuse(format!("its disk {target} has {has} bytes, which is more than {size_bytes}")));
    }
    if has == size_bytes {
        return Ok(());
    }
    session.still_wanted()?;
    let resized = domain.block_resize(&target, size_bytes, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES);
    resized.map(drop).map_err(|error| session.refused(vm, &error))
}
