//! What a benchmark's task leaves in its record: after each trial, and with its end.

use super::{Benchmark, BenchmarkPlan, BenchmarkState, Trial, TrialFigures, TrialResult};
use crate::cluster::Cluster;
use crate::id::{NodeName, TaskId};
use crate::record::{RecordId, Records, Versioned};

/// What is written when a trial has been made.
pub fn passed(
    cluster: &Cluster,
    plan: &BenchmarkPlan,
    (trial, figures): (Trial, &TrialFigures),
    node: &NodeName,
) -> Records {
    let Some(benchmark) = cluster.benchmarks.get(&plan.benchmark) else { return Records::default() };
    let region_bytes = plan.exercise(cluster, trial, None).region_bytes;
    let result = TrialResult { node: node.clone(), region_bytes, figures: figures.clone() };
    let mut next = benchmark.value.clone();
    next.results.insert(trial, result);
    write(plan, benchmark, next)
}

/// What is written with the task's end. One of which every trial was made is done, also where something has failed since.
pub fn ended(cluster: &Cluster, plan: &BenchmarkPlan, task: TaskId, failure: Option<&str>) -> Records {
    let own = cluster.benchmarks.get(&plan.benchmark).filter(|benchmark| benchmark.value.task == task);
    let Some(benchmark) = own else { return Records::default() };
    let is_whole = Trial::ALL.iter().all(|trial| benchmark.value.results.contains_key(trial));
    let state = match is_whole {
        true => BenchmarkState::Done,
        false => BenchmarkState::Failed { why: failure.unwrap_or("not every trial was made").into() },
    };
    write(plan, benchmark, Benchmark { state, ..benchmark.value.clone() })
}

fn write(plan: &BenchmarkPlan, benchmark: &Versioned<Benchmark>, next: Benchmark) -> Records {
    Records::default().write(RecordId::Benchmark(plan.benchmark), benchmark.expect(), next.into())
}
