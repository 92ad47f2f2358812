//! Why a request is refused, and what to do about it. The API turns each into a status code and a message.

use crate::id::{BadId, NodeName, TaskId, VmId, VmName};
use crate::storage::StorageRefusal;
use crate::vm::{DomainError, State};

/// The answer "no", with the thing refused, the reason and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The cluster has no records yet.
    #[error("The cluster is not initialised. Run: pvc cluster init")]
    NotInitialised,
    /// Initialising twice.
    #[error(
        "The cluster is already initialised. To begin anew, and lose everything in it, ask for overwrite."
    )]
    AlreadyInitialised,
    /// A destructive request without its consent parameter.
    #[error("{what} destroys data: confirm it with the parameter 'yes-i-really-mean-it'.")]
    NotConfirmed {
        /// What would be destroyed.
        what: &'static str,
    },
    /// A name or number that cannot be one.
    #[error(transparent)]
    BadId(#[from] BadId),
    /// No such VM.
    #[error("VM not found. There is no \"{vm}\"; see: pvc vm list")]
    VmUnknown {
        /// What was asked for.
        vm: String,
    },
    /// No such node.
    #[error("Specified node \"{node}\" is invalid: no node of that name is registered.")]
    NodeUnknown {
        /// What was asked for.
        node: String,
    },
    /// A node whose daemon would have to do it, and does not run.
    #[error("Node \"{node}\" is in state \"{}\": it can do this only while its daemon runs.", state.as_str())]
    NodeDown {
        /// Which.
        node: NodeName,
        /// Its state.
        state: crate::node::DaemonState,
    },
    /// A node that would have to be down.
    #[error(
        "Node \"{node}\" is in state \"{}\": stop its daemons first, pvcnoded and pvcworkerd.", state.as_str()
    )]
    NodeRuns {
        /// Which.
        node: NodeName,
        /// Its state.
        state: crate::node::DaemonState,
    },
    /// A node whose daemon has ended, and whose session with the store has not yet.
    #[error(
        "Node \"{node}\" has just stopped, and the cluster still waits for it: ask again in a few seconds."
    )]
    NodeEnding {
        /// Which.
        node: NodeName,
    },
    /// A node that VMs belong to.
    #[error(
        "Node \"{node}\" holds VMs: {}{}. Flush it while it runs, and move those that do not run with: pvc vm move",
        vms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        if *more > 0 { format!(", and {more} more") } else { String::new() }
    )]
    NodeHoldsVms {
        /// Which.
        node: NodeName,
        /// Some of them.
        vms: Vec<VmName>,
        /// How many there are besides.
        more: usize,
    },
    /// The primary coordinator.
    #[error(
        "Node \"{node}\" is the primary coordinator: make another one primary first, with: pvc node primary"
    )]
    NodeIsPrimary {
        /// Which.
        node: NodeName,
    },
    /// The only coordinator.
    #[error("Node \"{node}\" is the last coordinator, and a cluster needs one.")]
    LastCoordinator {
        /// Which.
        node: NodeName,
    },
    /// A node that can never hold the primary role.
    #[error("Node \"{node}\" is a hypervisor: only a coordinator can hold the primary role.")]
    NoCoordinator {
        /// Which.
        node: NodeName,
    },
    /// The primary role is on its way to a node.
    #[error("The primary role is just being taken by node \"{to}\"; ask again when it has it.")]
    HandoverUnderWay {
        /// Which.
        to: NodeName,
    },
    /// There is nobody to hand the primary role to.
    #[error("Node \"{node}\" is primary, and no other coordinator runs that could take the role.")]
    NobodyElse {
        /// The holder.
        node: NodeName,
    },
    /// Nobody holds the primary role yet.
    #[error("Nobody holds the primary role yet; a coordinator takes it within seconds. Ask again.")]
    RoleVacant,
    /// No such task.
    #[error("Task \"{task}\" not found.")]
    TaskUnknown {
        /// What was asked for.
        task: TaskId,
    },
    /// A VM that a task is renaming.
    #[error("VM \"{name}\" is being renamed by task {task}; wait for it, with: pvc cluster task {task}")]
    VmRenaming {
        /// Which.
        name: VmName,
        /// By what.
        task: TaskId,
    },
    /// No node is there to own the VM.
    #[error("No node can take this VM: {why}.")]
    NoNode {
        /// Why not.
        why: String,
    },
    /// A libvirt document that is not one.
    #[error("The VM's XML is refused: {0}.")]
    Domain(#[from] DomainError),
    /// A name that is taken.
    #[error("A VM named \"{name}\" exists already ({vm}). Choose another name.")]
    NameTaken {
        /// The name.
        name: VmName,
        /// Its owner.
        vm: VmId,
    },
    /// A UUID that is taken.
    #[error("A VM with UUID {vm} exists already (\"{name}\"). Give the new one another UUID.")]
    UuidTaken {
        /// The UUID.
        vm: VmId,
        /// The name of the VM that has it.
        name: VmName,
    },
    /// A document that belongs to another VM.
    #[error("The XML's {field} is \"{given}\", the VM's is \"{current}\": {remedy}.")]
    IdentityChanged {
        /// Which field.
        field: &'static str,
        /// In the new document.
        given: String,
        /// In the record.
        current: String,
        /// What to do.
        remedy: &'static str,
    },
    /// More than the node has.
    #[error(
        "The VM asks for {asked} {what}, but node \"{node}\" has {has}. Ask for less, or choose another node."
    )]
    TooLarge {
        /// Memory in MiB, or vCPUs.
        what: &'static str,
        /// How much is asked.
        asked: u64,
        /// How much there is.
        has: u64,
        /// Where.
        node: NodeName,
    },
    /// The VM is in the wrong state for this.
    #[error("VM \"{name}\" is in state \"{state}\": {remedy}.")]
    WrongState {
        /// The VM.
        name: VmName,
        /// Its state.
        state: State,
        /// What to do first.
        remedy: &'static str,
    },
    /// A VM that runs, is to move only live, and cannot.
    #[error(
        "VM \"{name}\" cannot move while it runs: {why}. Stop it first, or allow a shutdown: without --force-live, and \
         with: pvc vm meta {name} --method shutdown"
    )]
    Bound {
        /// Which.
        name: VmName,
        /// What holds it to its machine.
        why: String,
    },
    /// A parameter whose value is not one of its choices.
    #[error("{what} \"{given}\" is not valid. Valid: {choices}.")]
    BadChoice {
        /// The parameter, as the operator calls it.
        what: &'static str,
        /// What was given.
        given: String,
        /// What could have been given.
        choices: String,
    },
    /// A parameter that is required.
    #[error("The parameter '{parameter}' is required.")]
    Missing {
        /// Its name.
        parameter: &'static str,
    },
    /// A tag that is there already, is not there, or may not be removed.
    #[error("Tag \"{tag}\" of VM \"{name}\": {why}.")]
    Tag {
        /// The tag.
        tag: String,
        /// The VM.
        name: VmName,
        /// Why not.
        why: &'static str,
    },
    /// About pools, volumes and snapshots.
    #[error(transparent)]
    Storage(#[from] StorageRefusal),
    /// Too many of something.
    #[error("{what}: at most {max} are allowed.")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}
