//! Whether a wish about a VM's power is allowed now, and the records it writes.

use super::{known, settled};
use crate::cluster::{Cluster, VmEntry};
use crate::id::VmId;
use crate::record::{Incarnations, RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::time::WallTime;
use crate::vm::{Power, State, Vm, Wish, shown_state};

/// What the operator asks of the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the API names them")]
pub enum PowerRequest {
    Start,
    Shutdown,
    Stop,
    Restart,
    Disable,
}

impl std::str::FromStr for PowerRequest {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Ok(match text {
            "start" => Self::Start,
            "shutdown" => Self::Shutdown,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "disable" => Self::Disable,
            given => {
                let choices = "start, shutdown, stop, restart, disable".into();
                return Err(Refusal::BadChoice { what: "VM state", given: given.into(), choices });
            }
        })
    }
}

/// Whether the operator insists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Yes: a disabled VM is enabled by it, and disabling stops at once.
    Yes,
    /// No.
    No,
}

/// Wishes something of a VM's power.
///
/// | request | allowed in | becomes |
/// |---|---|---|
/// | start | all but `disable`; there with force | start |
/// | shutdown | `start`, `fail`, `migrate`, and again in `shutdown`, `restart` | shutdown |
/// | stop | all but `disable`; there with force | stop |
/// | restart | `start` | restart |
/// | disable | all | disable, at once with force |
///
/// Any of them gives up a move that is under way.
///
/// # Errors
/// [`Refusal::WrongState`] says what to do first.
pub fn wish_power(
    cluster: &Cluster,
    id: VmId,
    request: PowerRequest,
    force: Force,
    now: WallTime,
) -> Result<Records, Refusal> {
    let entry = known(cluster, id)?;
    settled(entry)?;
    let state = shown_state(entry);
    let refuse = |remedy| Err(Refusal::WrongState { name: entry.vm.value.name.clone(), state, remedy });
    let power = match (request, state) {
        (_, State::Delete) => return refuse("it is being removed; define it anew"),
        (PowerRequest::Restart, State::Migrate | State::MigrateLive) => {
            return refuse("wait until it has moved, or give up the move by starting it where it is");
        }
        (_, State::Provision | State::Import) => return refuse("wait until it is complete"),
        (PowerRequest::Start | PowerRequest::Stop, State::Disable | State::Mirror) if force == Force::No => {
            return refuse("use force to take it out of this state");
        }
        (PowerRequest::Start, _) => Power::Start,
        (PowerRequest::Stop, _) => Power::Stop,
        (
            PowerRequest::Shutdown,
            State::Start
            | State::Fail
            | State::Shutdown
            | State::Restart
            | State::Migrate
            | State::MigrateLive,
        ) => Power::Shutdown,
        (PowerRequest::Shutdown, _) => return refuse("only a VM that is started can be shut down"),
        (PowerRequest::Restart, State::Start) => Power::Restart,
        (PowerRequest::Restart, _) => {
            return refuse("only a VM that is started can be restarted; start it instead");
        }
        (PowerRequest::Disable, State::Mirror) => return refuse("a mirror cannot be disabled"),
        (PowerRequest::Disable, _) if force == Force::Yes => Power::DisableNow,
        (PowerRequest::Disable, _) => Power::Disable,
    };
    Ok(wished(entry, id, power, now))
}

/// Forgets a VM. One that does not run goes at once; of one that runs, or may run, its node ends the guest first and
/// then deletes the records itself.
///
/// # Errors
/// [`Refusal`] when there is no such VM.
pub fn undefine(cluster: &Cluster, id: VmId, now: WallTime) -> Result<Records, Refusal> {
    let entry = known(cluster, id)?;
    settled(entry)?;
    if entry.vm.value.removal.is_some() {
        let (name, state) = (entry.vm.value.name.clone(), State::Delete);
        return Err(Refusal::WrongState { name, state, remedy: "wait until it is removed with its volumes" });
    }
    let idle = entry.fact.as_ref().is_none_or(|fact| !fact.value.runs());
    let never_wished = matches!(shown_state(entry), State::Stop | State::Disable | State::Delete);
    if idle && never_wished {
        return Ok(removal(cluster, id, entry));
    }
    Ok(wished(entry, id, Power::Remove, now))
}

/// The end of a VM: everything that is recorded of it is deleted, and its incarnations are spent for good.
pub(crate) fn removal(cluster: &Cluster, id: VmId, entry: &VmEntry) -> Records {
    spend(cluster, std::iter::once(entry), deletion(cluster, id, entry))
}

/// Adds that no incarnation of these VMs is ever taken again. What is recorded only grows, so that it needs no guard
/// where it is great enough already.
pub(crate) fn spend<'a>(
    cluster: &Cluster,
    removed: impl Iterator<Item = &'a VmEntry>,
    records: Records,
) -> Records {
    let had = removed.filter_map(|entry| Some(entry.fact.as_ref()?.value.incarnation)).max().unwrap_or(0);
    if had == 0 || had < cluster.incarnation_floor() {
        return records;
    }
    let spent = Incarnations { floor: had + 1 };
    records.write(RecordId::Incarnations, expect_of(cluster.incarnations.as_ref()), spent.into())
}

/// The deletion of everything that is recorded of a VM, guarded by all of it.
pub(crate) fn deletion(cluster: &Cluster, id: VmId, entry: &VmEntry) -> Records {
    let vm = &entry.vm.value;
    let mut records = Records::default().delete(RecordId::Vm(id), entry.vm.expect());
    records = match &entry.fact {
        Some(fact) => records.delete(RecordId::VmFact(id), fact.expect()),
        None => records.guard(RecordId::VmFact(id), expect_of(entry.fact.as_ref())),
    };
    records = match &entry.reception {
        Some(said) => records.delete(RecordId::VmReception(id), said.expect()),
        None => records.guard(RecordId::VmReception(id), expect_of(entry.reception.as_ref())),
    };
    if let Some(name) = cluster.vm_names.get(&vm.name).filter(|owner| owner.value == id) {
        records = records.delete(RecordId::VmName(vm.name.clone()), name.expect());
    }
    records.remove(RecordId::VmXml(id))
}

fn wished(entry: &VmEntry, id: VmId, power: Power, now: WallTime) -> Records {
    let vm = &entry.vm.value;
    let wish = Wish { power, serial: vm.wish.serial + 1, at: now };
    Records::default().write(
        RecordId::Vm(id),
        entry.vm.expect(),
        Vm { wish, transfer: None, parked: false, ..vm.clone() }.into(),
    )
}
