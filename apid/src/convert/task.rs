//! Tasks as the API shows them.

use std::collections::BTreeMap;

use api::{Task, TaskList, TaskRef, TaskStatus};
use logic::cluster::{Cluster, TaskEntry};
use logic::id::TaskId;
use logic::task::{TaskState, Work};
use serde_json::{Map, Value};

/// How far a task has come. One that is not known, or that no worker has taken up, is pending.
pub fn status(entry: Option<&TaskEntry>) -> TaskStatus {
    let total = entry.map_or(1, |entry| u64::from(entry.task.value.work.course()));
    let begun = entry.and_then(|entry| Some((&entry.task.value.work, &entry.fact.as_ref()?.value)));
    let Some((work, fact)) = begun else {
        return TaskStatus {
            state: "PENDING".into(),
            current: 0,
            total,
            status: "Pending job start".into(),
            result: None,
        };
    };
    let (current, total) = fact.course(work);
    let state = match fact.state {
        TaskState::Running => "RUNNING",
        TaskState::Success => "SUCCESS",
        TaskState::Failure => "FAILURE",
    };
    let ended = fact.state != TaskState::Running;
    TaskStatus {
        state: state.into(),
        current: current.into(),
        total: total.into(),
        status: fact.message.clone(),
        result: ended.then(|| Value::String(fact.message.clone())),
    }
}

/// All tasks that wait or run, by their worker; every node has one.
pub fn list(cluster: &Cluster) -> TaskList {
    let workers = || -> BTreeMap<String, Vec<Task>> {
        let registered = cluster.nodes.iter().filter(|(_, entry)| entry.node.is_some());
        registered.map(|(name, _)| (worker(name.as_str()), Vec::new())).collect()
    };
    let (mut active, mut reserved) = (workers(), workers());
    for (id, entry) in &cluster.tasks {
        let list = match entry.fact.as_ref().map(|fact| fact.value.state) {
            None => &mut reserved,
            Some(TaskState::Running) => &mut active,
            Some(TaskState::Success | TaskState::Failure) => continue,
        };
        list.entry(worker(entry.task.value.run_on.as_str())).or_default().push(task(*id, entry));
    }
    let shown = |list: BTreeMap<_, _>| (!list.is_empty()).then_some(list);
    TaskList { scheduled: shown(workers()), active: shown(active), reserved: shown(reserved) }
}

/// What is told of a task that was just accepted.
pub fn accepted(id: TaskId, task: &logic::task::Task) -> TaskRef {
    TaskRef { task_id: id.to_string(), task_name: task.work.name().into(), run_on: task.run_on.to_string() }
}

fn worker(node: &str) -> String {
    format!("pvcworkerd@{node}")
}

fn task(id: TaskId, entry: &TaskEntry) -> Task {
    let record = &entry.task.value;
    let mut kwargs = Map::new();
    match &record.work {
        Work::AttachDevice { vm, xml } | Work::DetachDevice { vm, xml } => {
            kwargs.insert("vm".into(), vm.to_string().into());
            kwargs.insert("xml".into(), xml.clone().into());
        }
        Work::MoveVm { vm, to } => {
            kwargs.insert("vm".into(), vm.to_string().into());
            kwargs.insert("node".into(), to.to_string().into());
        }
        // What is changed and how, as it is recorded.
        Work::Storage(work) => {
            kwargs.extend(fields(work));
            // Long, and known already to whoever looks at the VM.
            kwargs.remove("document");
        }
        Work::Osd(work) => kwargs.extend(fields(work)),
    }
    kwargs.insert("run_on".into(), record.run_on.to_string().into());
    Task {
        id: id.to_string(),
        name: record.work.name().into(),
        args: Vec::new(),
        kwargs,
        type_: record.work.name().into(),
        hostname: worker(record.run_on.as_str()),
        time_start: entry.fact.as_ref().map(|fact| seconds(fact.value.at.0)),
    }
}

/// The fields of a value, where it has any.
fn fields(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}
