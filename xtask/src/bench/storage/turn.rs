//! A turn: every operation once in each of its three ways, one right after the other, timed inside the node so that nothing
//! of the lab lies between.

use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::contest::Contest;
use crate::bench::report::percentile;
use crate::command::{capture, program};
use crate::http::Connection;

/// The ways, as figures name them.
pub const WAYS: [&str; 3] = ["by_api", "by_pvc", "by_ceph"];

/// What a turn is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Where the API listens.
    pub address: String,
    /// Its token.
    pub token: String,
    /// The command `pvc`.
    pub pvc: String,
    /// Which way is the first; it is another one in each turn, so that none is always the one that finds things warm.
    pub first: usize,
    /// How often a request is sent, of which the median counts. What changes something is sent once.
    pub asks: usize,
    /// What is done.
    pub contests: Vec<Contest>,
}

/// `storage-turn`: takes it and tells what each operation took in each way, in milliseconds, by names such as
/// `status_by_pvc_ms`.
///
/// # Errors
/// When one of them is refused or fails: a measurement of refusals would look good.
pub fn take(turn: &Turn) -> Result<Value> {
    ensure!(turn.asks > 0, "nothing would be asked");
    let mut told = json!({});
    let mut connection = Connection::open(&turn.address, &turn.token)?;
    for contest in &turn.contests {
        for index in 0..WAYS.len() {
            let way = WAYS[(turn.first + index) % WAYS.len()];
            let took_ms = match way {
                "by_api" => requested_ms(&mut connection, contest, turn.asks),
                "by_pvc" => {
                    let begin = [turn.pvc.as_str(), "-c", "local"].map(str::to_owned);
                    command_ms(&[&begin[..], &contest.pvc[..]].concat())
                }
                _ => command_ms(&contest.theirs),
            };
            let took_ms = took_ms.with_context(|| format!("{} {way}", contest.name))?;
            told[format!("{}_{way}_ms", contest.name)] = took_ms.into();
        }
    }
    Ok(told)
}

fn requested_ms(connection: &mut Connection, contest: &Contest, asks: usize) -> Result<f64> {
    let [method, path, form] = &contest.request;
    let mut each_ms = Vec::new();
    for _ in 0..asks {
        let begin = Instant::now();
        let answer = connection.request(method, path, form)?;
        each_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        if answer.status != 200 {
            bail!("{method} {path} answers {}: {}", answer.status, answer.body);
        }
    }
    Ok(percentile(&each_ms, 0.5))
}

/// From the start of a program to its end.
fn command_ms(words: &[String]) -> Result<f64> {
    let [name, rest @ ..] = words else { bail!("there is no command") };
    let begin = Instant::now();
    let ended = capture(program(name).args(rest))?;
    let took = begin.elapsed();
    if !ended.status.success() {
        let said = [ended.stdout, ended.stderr].concat();
        bail!("`{}` ended with {}: {}", words.join(" "), ended.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(took.as_secs_f64() * 1000.0)
}
