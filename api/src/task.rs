//! Tasks: what runs longer than a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A task that was accepted; the answer has status 202 and a `Location` header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TaskRef {
    /// Its id, 8 hexadecimal digits.
    pub task_id: String,
    /// What it does, such as `vm.flush_locks`.
    pub task_name: String,
    /// The node whose worker runs it.
    pub run_on: String,
}

/// How far a task has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TaskStatus {
    /// `PENDING`, `RUNNING`, `SUCCESS` or `FAILURE`.
    pub state: String,
    /// How many stages are done; where one of them moves much, how many percent of that.
    pub current: u64,
    /// How many stages there are, at least 1; or 100, where it is told in percent.
    pub total: u64,
    /// What is going on, or how it ended.
    pub status: String,
    /// What came of it, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// The tasks of all workers, each list by the worker's name, such as `pvcworkerd@node1`; `null` where no worker answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TaskList {
    /// Those that wait for a time.
    pub scheduled: Option<BTreeMap<String, Vec<Task>>>,
    /// Those that run.
    pub active: Option<BTreeMap<String, Vec<Task>>>,
    /// Those that wait for a worker.
    pub reserved: Option<BTreeMap<String, Vec<Task>>>,
}

/// One task as its worker knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// What it does.
    pub name: String,
    /// Its arguments by position.
    pub args: Vec<Value>,
    /// Its arguments by name, among them `run_on`.
    #[schema(value_type = Object)]
    pub kwargs: Map<String, Value>,
    /// What it does, again.
    #[serde(rename = "type")]
    pub type_: String,
    /// The worker.
    pub hostname: String,
    /// When it began, in seconds since 1970.
    pub time_start: Option<f64>,
}
