//! The commands of `pvc storage benchmark`.

use api::Benchmark;
use api::client::{Answer, Method, Request};
use serde_json::value::RawValue;

use crate::args::PlainFormat;
use crate::args::storage::{BenchmarkCommand, BenchmarkRun};
use crate::ask::confirm;
use crate::commands::{ask_list, only, wait};
use crate::failure::Failure;
use crate::print::{benchmark as print, json};
use crate::session::Session;

/// Where they are.
const PATH: [&str; 3] = ["storage", "ceph", "benchmark"];

/// Runs one of them.
pub(crate) fn run(command: BenchmarkCommand, session: &Session) -> Result<(), Failure> {
    match command {
        BenchmarkCommand::Run(asked) => begin(session, &asked),
        BenchmarkCommand::Info { job, format } => info(session, &job, format),
        BenchmarkCommand::List { job, format } => list(session, job.as_deref(), format),
        BenchmarkCommand::Cancel { job, yes } => {
            confirm(
                session,
                &format!("End benchmark \"{job}\", and lose what it has measured?"),
                yes.into(),
            )?;
            session.order(&Request::new(Method::Delete, &PATH).with("job", job))
        }
    }
}

fn begin(session: &Session, asked: &BenchmarkRun) -> Result<(), Failure> {
    let BenchmarkRun { pool, name, size, manner } = asked;
    let question = format!(
        "Measure pool \"{pool}\"? It is written and read at full speed for ten minutes, which slows all else down."
    );
    confirm(session, &question, manner.yes.into())?;
    let request = Request::post(&PATH).with("pool", pool);
    let request = request.with_some("name", name.as_ref()).with_some("size", size.as_ref());
    wait::ordered(session, &request, *manner)
}

fn info(session: &Session, job: &str, format: PlainFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&PATH).with("job", job))?;
    session.screen.show(&match format {
        PlainFormat::Pretty => print::details(&only(&answer)?, session.screen.paint),
        PlainFormat::Json => json::compact(only::<Box<RawValue>>(&answer)?.get()),
        PlainFormat::JsonPretty => json::pretty(only::<Box<RawValue>>(&answer)?.get()),
    })
}

fn list(session: &Session, job: Option<&str>, format: PlainFormat) -> Result<(), Failure> {
    let request = Request::get(&PATH).with_some("job", job);
    let answer: Answer = match job {
        None => {
            let none = "No benchmark has been made yet. Make one with: pvc storage benchmark run POOL";
            ask_list(session, &request, none)?
        }
        Some(_) => session.ask(&request)?,
    };
    session.screen.show(&match format {
        PlainFormat::Pretty => print::list(&answer.parse::<Vec<Benchmark>>()?, session.screen.paint),
        PlainFormat::Json => json::compact(answer.text()),
        PlainFormat::JsonPretty => json::pretty(answer.text()),
    })
}
