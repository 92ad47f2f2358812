//! Every noun and every decision of PVC; contains no I/O, no clock, no thread, no randomness, no async and no logging.
//!
//! Three shapes of function, and no fourth:
//!
//! 1. `accept(request, &Cluster) -> Result<Records, Refusal>`: may the operator ask this now, and what does it write?
//! 2. `decide(&Cluster, &Observed, now) -> Plan`: what must be done? Equal arguments give an equal plan.
//! 3. `Machine::on(event, now) -> Plan`: only where history matters; its state is a record.
//!
//! | module | noun |
//! |---|---|
//! | [`id`] | names and numbers as types |
//! | [`time`] | moments and spans: given, never read |
//! | [`limits`] | every bound, with its reason |
//! | [`record`] | what the store holds: ids of records, versions, guarded writes |
//! | [`observed`] | what one machine sees of itself |
//! | [`plan`] | the only vocabulary of effects: plans, steps, guards, reasons |
//! | [`cluster`] | the records as one value |
//! | [`vm`] | virtual machines: record, states, requests, decisions, libvirt document |
//! | [`decide`] | what each daemon decides in one pass |
//! | [`fence`] | the block of a node at the storage: record, steps, proof, what the node owes |
//! | [`network`] | the machine's own networks: wanted, seen, and the steps between |
//! | [`node`] | nodes: record, status, registration, keepalive |
//! | [`primary`] | the primary role: record, phases of its handover, what moves with it |
//! | [`storage`] | pools, volumes and snapshots: where each lies, and how often it is kept |
//! | [`task`] | long work as resumable stages |
//! | [`refusal`] | why a request is refused, and what to do |
//! | [`health`] | what is wrong with the cluster, and by how much |
//! | [`config`] | `/etc/pvc/pvc.toml` as text to value |

pub mod cluster;
pub mod config;
pub mod decide;
pub mod fence;
pub mod health;
pub mod id;
pub mod limits;
pub mod network;
pub mod node;
pub mod observed;
pub mod plan;
pub mod primary;
pub mod record;
pub mod refusal;
pub mod storage;
pub mod task;
pub mod time;
pub mod vm;

#[cfg(test)]
mod testing;
