//! Counters of all guests in one request, by PVC's names.

use std::collections::BTreeMap;
use std::ffi::CStr;

use logic::id::VmId;
use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys as sys;

use super::device::{self, Names};
use super::{Session, run_of};
use crate::hypervisor::{Error, GuestStatistics};

/// One named counter or name.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u64),
    Text(String),
}

type Fields = BTreeMap<String, Value>;

pub(super) fn read(session: &Session<'_>) -> Result<Vec<(VmId, GuestStatistics)>, Error> {
    let mut all = Vec::new();
    for (domain, fields) in records(session.connect()).map_err(|error| session.unreachable(&error))? {
        let Some(run) = run_of(&domain) else { continue };
        all.push((run.0, arranged(&fields, &device::names(session, run, &domain))));
    }
    Ok(all)
}

/// What libvirt says of each active domain. The binding's own wrapper leaks, so the list is read and freed here.
#[expect(unsafe_code, reason = "the binding's own wrapper leaks")]
fn records(connect: &Connect) -> Result<Vec<(Domain, Fields)>, virt::error::Error> {
    let wanted = sys::VIR_DOMAIN_STATS_CPU_TOTAL
        | sys::VIR_DOMAIN_STATS_BALLOON
        | sys::VIR_DOMAIN_STATS_INTERFACE
        | sys::VIR_DOMAIN_STATS_BLOCK;
    // A guest whose monitor is busy is told of as far as possible, without waiting for it.
    let flags = sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
    let mut list: *mut sys::virDomainStatsRecordPtr = std::ptr::null_mut();
    // SAFETY: the connection is open; `list` is written by libvirt and freed below.
    let count = unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), wanted, &raw mut list, flags) };
    let Ok(count) = usize::try_from(count) else { return Err(virt::error::Error::last_error()) };
    let mut records = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: libvirt returned `count` valid records; a reference of our own is taken on each domain, because
        // freeing the list releases libvirt's.
        unsafe {
            let record = &**list.add(index);
            sys::virDomainRef(record.dom);
            let length = usize::try_from(record.nparams).unwrap_or_default();
            let parameters =
                if length == 0 { &[][..] } else { std::slice::from_raw_parts(record.params, length) };
            records.push((Domain::from_ptr(record.dom), parameters.iter().filter_map(field).collect()));
        }
    }
    // SAFETY: `list` came from libvirt and nothing of it is used any more.
    unsafe { sys::virDomainStatsRecordListFree(list) };
    Ok(records)
}

/// One typed parameter as a named value.
#[expect(unsafe_code, reason = "a union of libvirt's")]
fn field(parameter: &sys::virTypedParameter) -> Option<(String, Value)> {
    // SAFETY: libvirt ends the name with a zero within the array.
    let name = unsafe { CStr::from_ptr(parameter.field.as_ptr()) }.to_str().ok()?.to_owned();
    let kind = u32::try_from(parameter.type_).ok()?;
    // SAFETY: the kind says which member of the union is set; a string is ended with a zero and freed with the list.
    let value = unsafe {
        match kind {
            sys::VIR_TYPED_PARAM_INT => Value::Number(u64::try_from(parameter.value.i).ok()?),
            sys::VIR_TYPED_PARAM_UINT => Value::Number(parameter.value.ui.into()),
            sys::VIR_TYPED_PARAM_LLONG => Value::Number(u64::try_from(parameter.value.l).ok()?),
            sys::VIR_TYPED_PARAM_ULLONG => Value::Number(parameter.value.ul),
            sys::VIR_TYPED_PARAM_STRING => {
                Value::Text(CStr::from_ptr(parameter.value.s).to_str().ok()?.to_owned())
            }
            _ => return None,
        }
    };
    Some((name, value))
}

fn arranged(fields: &Fields, names: &Names) -> GuestStatistics {
    let mut statistics = GuestStatistics { vnc: names.vnc.clone(), ..GuestStatistics::default() };
    for (from, to) in [("cpu.time", "cpu_time"), ("cpu.user", "user_time"), ("cpu.system", "system_time")] {
        statistics.cpu.extend(number(fields, from).map(|value| (to.to_owned(), value)));
    }
    for (name, value) in fields {
        let Some(name) = name.strip_prefix("balloon.") else { continue };
        // The current balloon is `actual` for clients; the others keep libvirt's words with underscores.
        let name = if name == "current" { "actual".into() } else { name.replace('-', "_") };
        if let Value::Number(value) = value {
            statistics.memory.insert(name, *value);
        }
    }
    let disk =
        [("rd.reqs", "rd_req"), ("rd.bytes", "rd_bytes"), ("wr.reqs", "wr_req"), ("wr.bytes", "wr_bytes")];
    statistics.disks = numbered(fields, "block", &disk, |device| Some(device.to_owned()));
    let interface = [
        ("rx.bytes", "rd_bytes"),
        ("rx.pkts", "rd_packets"),
        ("rx.errs", "rd_errors"),
        ("rx.drop", "rd_drops"),
        ("tx.bytes", "wr_bytes"),
        ("tx.pkts", "wr_packets"),
        ("tx.errs", "wr_errors"),
        ("tx.drop", "wr_drops"),
    ];
    statistics.interfaces = numbered(fields, "net", &interface, |device| names.macs.get(device).cloned());
    statistics
}

fn number(fields: &Fields, name: &str) -> Option<u64> {
    match fields.get(name)? {
        Value::Number(value) => Some(*value),
        Value::Text(_) => None,
    }
}

/// The counters of `group.0`, `group.1`, …, each under what `key` makes of its name.
fn numbered(
    fields: &Fields,
    group: &str,
    counters: &[(&str, &str)],
    key: impl Fn(&str) -> Option<String>,
) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for index in 0..number(fields, &format!("{group}.count")).unwrap_or_default() {
        let Some(Value::Text(name)) = fields.get(&format!("{group}.{index}.name")) else { continue };
        let Some(key) = key(name) else { continue };
        let values = counters.iter().map(|(from, to)| {
            ((*to).to_owned(), number(fields, &format!("{group}.{index}.{from}")).unwrap_or_default())
        });
        all.insert(key, values.collect());
    }
    all
}

#[cfg(test)]
mod tests;
