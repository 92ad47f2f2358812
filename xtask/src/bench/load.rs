//! The load on an API, made inside its node so that nothing lies between; and the times that commands take there.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::command::{capture, program};
use crate::http::Connection;

/// What one kind of request took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// How many requests were answered in all.
    pub requests: usize,
    /// For how long, in seconds.
    pub took_s: f64,
    /// What each took, in milliseconds.
    pub each_ms: Vec<f64>,
}

/// `load`: asks for a path over so many connections for so many seconds, and tells what that took as JSON.
///
/// # Errors
/// When one answer is not 200: a measurement of refusals would look good.
pub fn requests(address: &str, token: &str, path: &str, connections: usize, span: Duration) -> Result<Load> {
    let begin = Instant::now();
    let ask = || -> Result<Vec<f64>> {
        let mut connection = Connection::open(address, token)?;
        let mut each_ms = Vec::new();
        while begin.elapsed() < span {
            let start = Instant::now();
            let answer = connection.request("GET", path, "")?;
            each_ms.push(milliseconds(start.elapsed()));
            if answer.status != 200 {
                bail!("GET {path} answers {}: {}", answer.status, answer.body);
            }
        }
        Ok(each_ms)
    };
    let parts: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    let took_s = begin.elapsed().as_secs_f64();
    let each_ms: Vec<f64> = parts.into_iter().collect::<Result<Vec<_>>>()?.concat();
    Ok(Load { requests: each_ms.len(), took_s, each_ms })
}

/// `time`: runs a command so many times and tells what each run took, from its start to its end.
///
/// # Errors
/// When one run fails.
pub fn command(times: usize, words: &[&str]) -> Result<Load> {
    let begin = Instant::now();
    let mut each_ms = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        let ended = capture(program(words[0]).args(&words[1..]))?;
        each_ms.push(milliseconds(start.elapsed()));
        if !ended.status.success() {
            bail!("`{}` failed: {}", words.join(" "), String::from_utf8_lossy(&ended.stderr));
        }
    }
    Ok(Load { requests: times, took_s: begin.elapsed().as_secs_f64(), each_ms })
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
