//! `bench drain`: a node with a dozen guests is emptied and filled again, and what was planned is compared with what came
//! to be; and how long the plan for 200 VMs on 12 nodes takes, in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bench::report::{Aim, Figure, Report, percentile};
use crate::bench::stage::{self, Stage, Wishes};
use crate::command::{output, program, wait_for};
use crate::lab::daemons::Profile;
use crate::rack::{Rack, name};
use crate::tree;

/// The node that is emptied.
const NODE: u8 = 1;

/// The node and the state of every VM, by its name.
type Vms = BTreeMap<String, (String, String)>;

/// How long it may take: each guest, shut down and started anew, may take its minute.
const LIMIT: Duration = Duration::from_secs(900);

/// Takes it and gives the report.
///
/// # Errors
/// When the lab cannot be made or a guest does not count; a run that fails counts as infinite.
pub fn run(words: &[&str], xtask: &Path) -> Result<Report> {
    let wishes = Wishes::read(words, &["guests", "runs"])?;
    let (guests, wanted) = (wishes.number("guests", 12), ("drain", wishes.number("runs", 5)));
    let mut stage = Stage::resume("drain", wishes.profile, &json!({ "guests": guests }), xtask)?;
    let plan_ms = plan_ms(wishes.profile)?;
    stage.play(&[wanted], |rack, runs| {
        stage::populate(rack, &[NODE], guests)?;
        runs.fill(wanted, || once(rack, NODE), || Ok(()))
    })?;
    let values = |name| stage.runs.values("drain", name);
    let differ = percentile(&values("otherwise_than_planned"), 1.0);
    let figures = [
        &Figure::percentiles("flush_ms", &values("flush_ms"), Aim::None)[..],
        &Figure::percentiles("ready_ms", &values("ready_ms"), Aim::None),
        &[Figure::of("otherwise_than_planned_max", differ, Aim::AtMost(0.0))],
        &Figure::percentiles("plan_of_200_on_12_ms", &plan_ms, Aim::AtMost(1000.0)),
    ];
    let figures = figures.concat();
    stage.report(figures)
}

/// What each plan of a flush took, in memory.
fn plan_ms(profile: Profile) -> Result<Vec<f64>> {
    let mut cargo = program("cargo");
    cargo.current_dir(tree::root()).args(["run", "--quiet", "-p", "store", "--example", "drain"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let told: Value = serde_json::from_str(output(&mut cargo)?.trim())?;
    let each = told["each_ms"].as_array().context("it tells no times")?;
    Ok(each.iter().filter_map(Value::as_f64).collect())
}

/// Empties the node and fills it again, and tells how long each took, and how many VMs went elsewhere than was planned.
///
/// # Errors
/// When either does not come to its end within a quarter of an hour.
pub fn once(rack: &Rack, number: u8) -> Result<Value> {
    let planned = planned(rack, number)?;
    let flushed = Instant::now();
    wish(rack, number, "state=flush")?;
    becomes(rack, number, "flushed")?;
    let flush = flushed.elapsed();
    let outcome = wait_for("every VM to run where it went", LIMIT, || {
        let vms = vms(rack, number)?;
        let here = vms.values().any(|(node, state)| *node == name(number) || state != "start");
        ensure!(!here, "the VMs are {vms:?}");
        planned.keys().try_for_each(|vm| runs_alone(rack, vm, &vms))?;
        Ok(vms)
    })?;
    let elsewhere =
        planned.iter().filter(|(vm, to)| outcome.get(*vm).map(|(node, _)| node) != Some(*to)).count();
    let filled = Instant::now();
    wish(rack, number, "state=ready")?;
    becomes(rack, number, "ready")?;
    wait_for("every VM to run at home", LIMIT, || {
        let vms = vms(rack, number)?;
        let home = planned.keys().all(|vm| vms.get(vm) == Some(&(name(number), "start".into())));
        ensure!(home, "the VMs are {vms:?}");
        planned.keys().try_for_each(|vm| runs_alone(rack, vm, &vms))
    })?;
    Ok(json!({
        "planned": planned.len(), "otherwise_than_planned": elsewhere,
        "flush_ms": flush.as_secs_f64() * 1000.0, "ready_ms": filled.elapsed().as_secs_f64() * 1000.0,
    }))
}

/// The same, again where VMs went otherwise than was planned: a machine that is too busy to answer for a moment bars itself. One
/// that never goes as planned is an error.
///
/// # Errors
/// As [`once`].
pub fn as_planned(rack: &Rack, number: u8) -> Result<Value> {
    const TRIES: usize = 3;
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let told = once(rack, number)?;
        if told["otherwise_than_planned"] == 0 {
            return Ok(told);
        }
        all.push(told.to_string());
    }
    bail!("it went otherwise each time: {}", all.join("; "))
}

/// Where each VM that leaves would go.
fn planned(rack: &Rack, number: u8) -> Result<BTreeMap<String, String>> {
    let told = wish(rack, number, "state=flush&dry_run=true")?;
    let plan = told["plan"].as_array().context("it tells no plan")?;
    let leaves = plan.iter().filter(|vm| vm["fate"] == "moves");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let leaves: BTreeMap<String, String> = leaves.map(|vm| (text(&vm["name"]), text(&vm["to"]))).collect();
    ensure!(!leaves.is_empty(), "nothing would leave: {told}");
    Ok(leaves)
}

fn wish(rack: &Rack, number: u8, form: &str) -> Result<Value> {
    let answer =
        rack.ask(other(rack, number), "POST", &format!("/api/v1/node/{}/domain-state", name(number)), form)?;
    ensure!(answer.status < 300, "{form} is refused: {} {}", answer.status, answer.body);
    answer.json()
}

fn becomes(rack: &Rack, number: u8, state: &str) -> Result<()> {
    wait_for(&format!("the node to be {state}"), LIMIT, || {
        let told = rack.told(other(rack, number), &format!("/api/v1/node/{}/domain-state", name(number)))?;
        ensure!(told["domain_state"] == state, "it is {told}");
        Ok(())
    })
}

/// The node and the state of every VM.
fn vms(rack: &Rack, number: u8) -> Result<Vms> {
    let told = rack.told(other(rack, number), "/api/v1/vm")?;
    let list = told.as_array().context("the VMs are no list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list.iter().map(|vm| (text(&vm["name"]), (text(&vm["node"]), text(&vm["state"])))).collect())
}

/// Whether a VM's guest is on the node that its record names, and on no other.
fn runs_alone(rack: &Rack, vm: &str, vms: &Vms) -> Result<()> {
    let there = rack.whereabouts(vm);
    let [number] = there[..] else { bail!("{vm} is on {there:?}") };
    ensure!(vms.get(vm).is_some_and(|(node, _)| *node == name(number)), "{vm} is on node {number}");
    Ok(())
}

/// The node that is asked: not the one that is emptied.
fn other(rack: &Rack, number: u8) -> u8 {
    number % rack.numbers().end() + 1
}
