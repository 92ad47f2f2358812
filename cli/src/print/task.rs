//! Tasks on the screen.

use api::{Task, TaskList, TaskStatus};
use serde_json::Value;

use super::paint::{Paint, Tone};
use super::progress::bar;
use super::table::{Cell, Table};

/// The ids of all tasks.
pub(crate) fn ids(tasks: &TaskList) -> Vec<&str> {
    rows(tasks).into_iter().map(|(_, _, task)| task.id.as_str()).collect()
}

/// The table of all tasks.
pub(crate) fn list(tasks: &TaskList, paint: Paint) -> String {
    let mut table = Table::new(&["ID", "Name", "State", "Worker", "Arguments"]);
    for (kind, worker, task) in rows(tasks) {
        let tone = if kind == "active" { Tone::Good } else { Tone::Usual };
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let named = task.kwargs.iter().map(|(name, value)| format!("{name}={}", word(value)));
        let arguments: Vec<String> = task.args.iter().map(word).chain(named).collect();
        table.row(vec![
            task.id.as_str().into(),
            task.name.as_str().into(),
            Cell::toned(kind, tone),
            worker.into(),
            arguments.join(" ").into(),
        ]);
    }
    table.render(paint)
}

/// How far one task has come.
pub(crate) fn status(id: &str, task: &TaskStatus, paint: Paint) -> String {
    let tone = match task.state.as_str() {
        "SUCCESS" => Tone::Good,
        "FAILURE" => Tone::Bad,
        _ => Tone::Attention,
    };
    let state = paint.paint(&task.state, tone);
    format!(
        "{id} {state} {} {}/{} {}\n",
        bar(task.current, task.total),
        task.current,
        task.total,
        task.status
    )
}

/// All tasks with what they do now, by state and worker.
fn rows(tasks: &TaskList) -> Vec<(&'static str, &str, &Task)> {
    let mut rows = Vec::new();
    let kinds = [("active", &tasks.active), ("reserved", &tasks.reserved), ("scheduled", &tasks.scheduled)];
    for (kind, workers) in kinds {
        for (worker, tasks) in workers.iter().flatten() {
            rows.extend(tasks.iter().map(|task| (kind, worker.as_str(), task)));
        }
    }
    rows
}
