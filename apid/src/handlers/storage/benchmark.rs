//! Benchmarks: what there are, and how one begins and is ended. Each is a task, and answered at once.

use std::sync::Arc;

use api::{Benchmark, Message};
use axum::extract::State;
use logic::cluster::Cluster;
use logic::id::{BenchmarkName, PoolName};
use logic::limits::BENCHMARK_BYTES_DEFAULT;
use logic::storage::benchmark::accept::{self, BenchmarkRequest};
use logic::storage::size;
use serde::Deserialize;
use utoipa::IntoParams;

use super::begin;
use super::volume::wrong;
use crate::Api;
use crate::answer::{Accepted, Answer, Answered, told};
use crate::convert;
use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::view::Change;

/// Which benchmarks are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListBenchmarks {
    /// Only the one of this name.
    job: Option<String>,
}

/// Lists the benchmarks that are kept, the oldest first, and the one that goes on.
#[utoipa::path(get, path = "/storage/ceph/benchmark", tag = "storage", params(ListBenchmarks))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListBenchmarks>,
) -> Answered<Vec<Benchmark>> {
    if let Some(job) = asked.job.filter(|job| !job.is_empty()) {
        return one(&api, &job).await.map(|benchmark| Answer(vec![benchmark]));
    }
    let cluster = api.view.cluster().await?;
    let shown = cluster.benchmarks.iter().map(|(id, one)| convert::benchmark::benchmark(*id, &one.value));
    let shown: Vec<Benchmark> = shown.collect();
    if shown.is_empty() {
        return Err(ApiError::NotFound { what: "Benchmark" });
    }
    Ok(Answer(shown))
}

async fn one(api: &Api, job: &str) -> Result<Benchmark, ApiError> {
    let unknown = || ApiError::unknown("Benchmark", job);
    let name: BenchmarkName = job.parse().map_err(|_| unknown())?;
    let find = |cluster: &Arc<Cluster>| {
        let (id, benchmark) = accept::find(cluster, &name)?;
        Some(convert::benchmark::benchmark(id, &benchmark.value))
    };
    api.view.find(find).await?.ok_or_else(unknown)
}

/// A benchmark to be made.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunBenchmark {
    /// The pool that is measured.
    pool: String,
    /// What it is to be called; `benchmark-` and its number when it is not given.
    name: Option<String>,
    /// How large the volume is that it writes to, such as `16G`; `64G` when it is not given.
    size: Option<String>,
}

/// Measures a pool: eight tests of 75 s each, one after another, on a volume of their own.
#[utoipa::path(post, path = "/storage/ceph/benchmark", tag = "storage", params(RunBenchmark))]
pub async fn run(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<RunBenchmark>,
) -> Result<Accepted, ApiError> {
    let pool: PoolName = asked.pool.parse().map_err(|error| wrong("pool", &error))?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let name =
        given(asked.name).map(|name| name.parse().map_err(|error| wrong("name", &error))).transpose()?;
    let bytes =
        |text: String| size::parse(&text).map_err(|error| ApiError::parameter("size", error.to_string()));
    let size_bytes = given(asked.size).map_or(Ok(BENCHMARK_BYTES_DEFAULT), bytes)?;
    let request = BenchmarkRequest { pool, name, size_bytes };
    let begun = begin(&api, |on| accept::begin(on, &request)).await.map_err(ApiError::as_refusal)?;
    Ok(Accepted(convert::task::accepted(begun.0, &begun.1)))
}

/// Which benchmark is to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CancelBenchmark {
    /// Its name.
    job: String,
}

/// Ends a benchmark that goes on: its test is broken off, its volume removed, and its task fails. Nothing of it is kept but
/// that it was cancelled.
#[utoipa::path(delete, path = "/storage/ceph/benchmark", tag = "storage", params(CancelBenchmark))]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<CancelBenchmark>,
) -> Answered<Message> {
    let accept =
        |cluster: &Cluster| Ok(Change { records: Some(accept::cancel(cluster, &asked.job)?), told: () });
    api.view.write(accept).await?;
    told(format!("Benchmark \"{}\" is being cancelled.", asked.job))
}
