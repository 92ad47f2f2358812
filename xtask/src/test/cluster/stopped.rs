//! All of Ceph stands still under a guest that writes: nothing of PVC stands still with it, and all goes on afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::{capture, wait_for};
use crate::lab::guest::Guest;
use crate::lab::process::Process;
use crate::rack::guests::PATIENCE;
use crate::rack::numbered::UNTOLD_MAX;
use crate::rack::{Rack, name};
use crate::test::cluster::healed;
use crate::test::cluster::volumes::{POOL, WRITER, said};
use crate::test::tally::Tally;
use crate::tree;

/// A VM that is to start on a volume while Ceph stands still.
const SLEEPER: &str = "sleeper";
const SLEEPER_UUID: &str = "5b1d7c30-6f6e-4b0a-9a57-0c7d2f1e8a67";

/// What is asked for when Ceph has just begun to stand still.
const EARLY: [&str; 6] = ["storage", "volume", "add", POOL, "early", "16M"];

/// What each API is asked again and again.
const ASKED: [&str; 6] = [
    "/api/v1/node",
    "/api/v1/vm",
    "/api/v1/status",
    "/api/v1/storage/ceph/status",
    "/api/v1/storage/ceph/pool",
    "/api/v1/storage/ceph/osd",
];

/// What tells of the storage, and whether it is old.
const MARKED: [&str; 3] =
    ["/api/v1/storage/ceph/status", "/api/v1/storage/ceph/pool", "/api/v1/storage/ceph/osd"];

/// An answer that takes longer has waited for Ceph, which it would do each time. A busy machine holds one up now and then: nine
/// of ten count. What answers take is measured by `bench api`.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// A refusal that takes longer has waited for Ceph, as changes do that are accepted. It is some tenths of a second where nothing
/// else is to be done.
const REFUSAL_LIMIT: Duration = Duration::from_secs(20);

/// A keepalive every 5 s, and one more that is on its way. One that waited for Ceph would be as old as the standstill.
const KEEPALIVE_AGE_MAX_S: u64 = 11;

/// The API waits 30 s for the end of a change, and the command line twice as long for its answer.
const CHANGE_LIMIT: Duration = Duration::from_secs(55);

/// How long an upload may stand still before it is given up, and what is left of it cleared away.
const UPLOAD_LIMIT: Duration = Duration::from_secs(180);

/// The facts are measured every five seconds, and that gives up after five: they are marked as old some seconds later. A busy
/// machine takes longer.
const MARKED_LIMIT: Duration = Duration::from_secs(60);

/// What is refused because the storage has not told of itself for a while.
const UNKNOWN: &str = "is not known";

/// The checks; Ceph stands still for so long at least, and until what is asked of it meanwhile was asked.
pub(super) fn checks(rack: &Rack, tally: &mut Tally, standstill: Duration) {
    let mut seen = None;
    tally.check("all of Ceph stands still under a guest that writes, and goes on", || {
        seen = Some(stand_still(rack, standstill)?);
        Ok(())
    });
    let Some(seen) = seen else { return };
    tally.check("meanwhile the keepalives of all nodes went on", || keepalives(rack, &seen));
    tally
        .check("meanwhile every API answered at once, and none with a failure of its own", || answers(&seen));
    tally.check("meanwhile the facts were marked as old, with since when and why", || marks(&seen));
    tally.check("what was asked of the storage meanwhile was refused, or waited within its bound", || {
        changes(&seen)
    });
    tally.check("afterwards the facts are fresh, the guest counts on, and what had waited is done", || {
        recovers(rack, &seen)
    });
}

/// One answer of an API, or why there was none.
#[derive(Debug)]
struct Answered {
    number: u8,
    path: &'static str,
    status: Result<u16, String>,
    /// The beginning of what it said, where it was not what was asked for.
    complaint: String,
    took: Duration,
}

/// What one node's API told while Ceph stood still.
#[derive(Debug, Default)]
struct Observed {
    answers: Vec<Answered>,
    /// By node, the moments of its keepalives, in seconds since 1970.
    keepalives: BTreeMap<String, BTreeSet<i64>>,
    /// The highest age that a keepalive was told with.
    oldest_s: u64,
    /// The states of the nodes' daemons.
    states: BTreeSet<String>,
}

/// A change that was asked for by the command line, and how that ended.
#[derive(Debug)]
struct Change {
    what: String,
    code: Option<i32>,
    said: String,
    took: Duration,
}

/// What was found out step by step.
#[derive(Debug)]
struct Found {
    marked_after: Duration,
    marks: Vec<String>,
    health: String,
    shown: String,
    refused: Vec<Change>,
    /// What the guest had told when Ceph stood still, and before it went on.
    counted: (u64, u64),
}

/// All that was seen.
#[derive(Debug)]
struct Seen {
    lasted: Duration,
    woken: Instant,
    guest: Process,
    found: Found,
    waited: Vec<Change>,
    observed: Vec<Observed>,
}

/// Defines the VM that is to start meanwhile, and lets Ceph stand still.
fn stand_still(rack: &Rack, standstill: Duration) -> Result<Seen> {
    let guest = Guest::ensure(&tree::target().join("guest"))?;
    for volume in ["sleeper_vda", "quiet"] {
        rack.pvc(1, &["storage", "volume", "add", POOL, volume, "16M"])?;
    }
    let document = guest.with_volume((SLEEPER, SLEEPER_UUID), &format!("{POOL}/sleeper_vda"));
    rack.define_document(SLEEPER, &document, 1, &[])?;
    let mut seen = None;
    healed(rack, || {
        seen = Some(watched(rack, standstill)?);
        Ok(())
    })?;
    seen.context("it was watched")
}

fn watched(rack: &Rack, standstill: Duration) -> Result<Seen> {
    let (guest, done) = (rack.guest(WRITER, 2)?, AtomicBool::new(false));
    thread::scope(|scope| {
        let begin = Instant::now();
        rack.stall_ceph()?;
        let observers: Vec<_> = rack
            .numbers()
            .map(|number| {
                let done = &done;
                scope.spawn(move || observe(rack, number, done))
            })
            .collect();
        let mut waiting = Vec::new();
        let found = find_out(rack, scope, &mut waiting, (begin, standstill));
        let healed = rack.heal();
        let (lasted, woken) = (begin.elapsed(), Instant::now());
        done.store(true, Ordering::SeqCst);
        let observed = joined(observers);
        let waited = joined(waiting).into_iter().collect::<Result<_>>();
        healed?;
        Ok(Seen { lasted, woken, guest, found: found?, waited: waited?, observed })
    })
}

fn joined<T>(threads: Vec<ScopedJoinHandle<'_, T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect("what is watched does not panic")).collect()
}

/// Asks for changes, those that may wait on threads of their own, and sees that the facts are marked as old.
fn find_out<'scope, 'rack: 'scope>(
    rack: &'rack Rack,
    scope: &'scope Scope<'scope, '_>,
    waiting: &mut Vec<ScopedJoinHandle<'scope, Result<Change>>>,
    (begin, standstill): (Instant, Duration),
) -> Result<Found> {
    let mut waits = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let ask = move || change(rack, 3, &words.iter().map(String::as_str).collect::<Vec<_>>());
        waiting.push(scope.spawn(ask));
    };
    let image = rack.folder.join("quiet.img");
    fs::write(&image, vec![b'q'; 8 << 20])?;
    // Nobody knows yet that Ceph stands still: this is accepted, unless the machine is very slow.
    waits(&EARLY);
    waits(&["vm", "start", SLEEPER]);
    waits(&["storage", "volume", "upload", POOL, "quiet", image.to_str().context("the path is no text")?]);
    let before = silenced(rack)?;
    let marks = wait_for("the facts to be marked as old", PATIENCE, || marks_of(rack))?;
    let marked_after = begin.elapsed();
    let health = wait_for("the health to tell it", PATIENCE, || silence_of(rack, 1)?.context("it is well"))?;
    let shown = rack.pvc(2, &["storage", "pool", "list"])?;
    let refused = [
        &["storage", "volume", "add", POOL, "late", "16M"][..],
        &["storage", "volume", "resize", "-y", POOL, "writer_vda", "128M"],
        &["storage", "volume", "clone", POOL, "writer_vda", "copy", "--snapshot", "moved"],
    ];
    let refused = refused.into_iter().map(|words| change(rack, 1, words)).collect::<Result<_>>()?;
    waits(&["storage", "volume", "snapshot", "add", POOL, "writer_vda", "standstill"]);
    wait_for("the end of the standstill", standstill + PATIENCE, || {
        ensure!(begin.elapsed() >= standstill, "it goes on");
        Ok(())
    })?;
    rack.ceph_is_stalled()?;
    let counted = (before, rack.count(WRITER, 2));
    Ok(Found { marked_after, marks, health, shown, refused, counted })
}

/// Waits until the guest counts no more, and gives the last number. What it told is written down by others, who may be late.
fn silenced(rack: &Rack) -> Result<u64> {
    let (mut last, mut since) = (rack.count(WRITER, 2), Instant::now());
    wait_for("the guest to count no more", PATIENCE, || {
        let now = rack.count(WRITER, 2);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        ensure!(since.elapsed() > Duration::from_secs(3), "it has told {now} just now");
        Ok(last)
    })
}

fn change(rack: &Rack, by: u8, words: &[&str]) -> Result<Change> {
    let begin = Instant::now();
    let ended = capture(&mut rack.pvc_command(by, words)?)?;
    let said = [&ended.stdout, &ended.stderr].map(|part| String::from_utf8_lossy(part).into_owned()).concat();
    let said = said.trim().to_owned();
    Ok(Change { what: words.join(" "), code: ended.status.code(), said, took: begin.elapsed() })
}

/// Asks one node's API again and again, until it is enough.
fn observe(rack: &Rack, number: u8, done: &AtomicBool) -> Observed {
    let mut seen = Observed::default();
    while !done.load(Ordering::SeqCst) {
        for path in ASKED {
            let begin = Instant::now();
            let answer = rack.ask(number, "GET", path, "");
            let took = begin.elapsed();
            if let (Ok(answer), "/api/v1/node") = (&answer, path) {
                seen.notice(&answer.json().unwrap_or_default());
            }
            let complaint = answer.as_ref().ok().filter(|answer| answer.status != 200);
            let complaint = complaint.map(|answer| answer.body.clone()).unwrap_or_default();
            let status = answer.map(|answer| answer.status).map_err(|error| format!("{error:#}"));
            seen.answers.push(Answered { number, path, status, complaint, took });
        }
        thread::sleep(Duration::from_millis(200));
    }
    seen
}

impl Observed {
    /// Takes notice of the nodes as an API tells them.
    fn notice(&mut self, nodes: &Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for node in nodes.as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            self.states.insert(text(&node["daemon_state"]));
            // The checks run with each keepalive.
            let at = node["health_details"][0]["last_run"].as_i64().unwrap_or_default();
            self.keepalives.entry(text(&node["name"])).or_default().insert(at);
            self.oldest_s = self.oldest_s.max(now.saturating_sub(at.cast_unsigned()));
        }
    }
}

/// What all APIs say of the storage's facts; an error where one does not call them old.
fn marks_of(rack: &Rack) -> Result<Vec<String>> {
    let mut marks = Vec::new();
    for number in rack.numbers() {
        for path in MARKED {
            for (thing, mark) in staleness(rack, number, path)? {
                marks.push(mark.with_context(|| format!("{} tells {thing} of {path} as new", name(number)))?);
            }
        }
    }
    Ok(marks)
}

/// Each thing that an API tells at this path, and why it is old.
fn staleness(rack: &Rack, number: u8, path: &str) -> Result<Vec<(String, Option<String>)>> {
    let told = rack.told(number, path)?;
    let things = told.as_array().cloned().unwrap_or_else(|| vec![told]);
    ensure!(!things.is_empty(), "{path} tells nothing");
    let mark = |thing: &Value| {
        let name = thing["name"].as_str().or(thing["id"].as_str()).unwrap_or("the whole").to_owned();
        (name, thing["stale"].as_str().map(str::to_owned))
    };
    Ok(things.iter().map(mark).collect())
}

/// What the cluster's health says of a storage that does not answer.
fn silence_of(rack: &Rack, number: u8) -> Result<Option<String>> {
    let status = rack.told(number, "/api/v1/status")?;
    let messages = status["cluster_health"]["messages"].as_array().context("the health has no messages")?;
    let silent = messages.iter().find(|message| message["id"] == "STORAGE_SILENT");
    Ok(silent.map(|message| message["text"].to_string()))
}

fn keepalives(rack: &Rack, seen: &Seen) -> Result<()> {
    let (lasted, states) = (seen.lasted.as_secs(), seen.observed.iter().flat_map(|seen| &seen.states));
    let states: BTreeSet<&str> = states.map(String::as_str).collect();
    ensure!(states == BTreeSet::from(["run"]), "the nodes were told to be {states:?}");
    for (observed, teller) in seen.observed.iter().zip(rack.numbers()) {
        let counts: Vec<String> =
            observed.keepalives.iter().map(|(node, moments)| format!("{node} {}", moments.len())).collect();
        let told = format!(
            "{} saw in {lasted} s keepalives of {}; the oldest was {} s old",
            name(teller),
            counts.join(", "),
            observed.oldest_s
        );
        said(&told);
        ensure!(observed.keepalives.len() == rack.numbers().len(), "{told}");
        // The longer the machine takes for all this, the more it may hold up a keepalive.
        ensure!(observed.oldest_s <= KEEPALIVE_AGE_MAX_S.max(lasted * 2 / 3), "{told}");
        let expected = usize::try_from(lasted / 10)?;
        ensure!(observed.keepalives.values().all(|moments| moments.len() >= expected), "{told}");
    }
    Ok(())
}

fn answers(seen: &Seen) -> Result<()> {
    for path in ASKED {
        let all = || seen.observed.iter().flat_map(|seen| &seen.answers).filter(|answer| answer.path == path);
        let mut late = 0;
        for Answered { number, status, took, complaint, .. } in all() {
            // A busy machine may hold up the nodes' store: the API says so, and that has nothing to do with Ceph.
            let is_of_store = *status == Ok(503) && complaint.contains("The store zookeeper");
            late += usize::from(is_of_store);
            ensure!(
                *status == Ok(200) || is_of_store,
                "{} answered {path} with {status:?} after {took:?}: {complaint}",
                name(*number)
            );
        }
        let mut times: Vec<Duration> = all().map(|answer| answer.took).collect();
        times.sort_unstable();
        let (middle, longest) = (times.get(times.len() / 2), times.last().context("nothing was asked")?);
        let ms = |span: Duration| span.as_secs_f64() * 1000.0;
        let middle = middle.copied().unwrap_or_default();
        let count = times.len();
        ensure!(late * 10 <= count, "the store was away for {late} of {count} times {path}");
        let most = times.get(count * 9 / 10).copied().unwrap_or_default();
        said(&format!("{count} times {path}: {:.1} ms, at most {:.1} ms", ms(middle), ms(*longest)));
        ensure!(most < ANSWER_LIMIT, "one of ten times {path} took {most:?} or more");
    }
    Ok(())
}

fn marks(seen: &Seen) -> Result<()> {
    let Found { marked_after, marks, health, shown, .. } = &seen.found;
    let texts: BTreeSet<&str> = marks.iter().map(String::as_str).collect();
    said(&format!("after {:.1} s: {}", marked_after.as_secs_f64(), Vec::from_iter(&texts)[0]));
    said(&format!("health: {health}"));
    for text in texts {
        ensure!(text.contains("measured at") && text.contains("in vain since"), "it says no time: {text}");
        ensure!(text.contains("did not answer") || text.contains("no monitor"), "it says no cause: {text}");
    }
    ensure!(shown.contains("old figures"), "the list of pools is\n{shown}");
    ensure!(*marked_after < MARKED_LIMIT, "it took {marked_after:?}");
    Ok(())
}

fn changes(seen: &Seen) -> Result<()> {
    let tell = |change: &Change| {
        let Change { what, code, said: words, took } = change;
        let code = code.unwrap_or_default();
        said(&format!("\"pvc {what}\" ended with {code} after {:.1} s: {words}", took.as_secs_f64()));
    };
    seen.found.refused.iter().chain(&seen.waited).for_each(tell);
    for Change { what, code, said, took } in &seen.found.refused {
        ensure!(*code == Some(1) && said.contains(UNKNOWN), "{what} ended with {code:?}: {said}");
        ensure!(*took < REFUSAL_LIMIT, "{what} took {took:?}");
    }
    for Change { what, code, said, took } in &seen.waited {
        // An upload whose storage stands still for too long is given up.
        let (is_over, limit) = match what.contains("upload") {
            true => (code.is_some_and(|code| code <= 1), UPLOAD_LIMIT),
            false => (*code == Some(0) || came_late(what, said), CHANGE_LIMIT),
        };
        ensure!(is_over, "{what} ended with {code:?}: {said}");
        ensure!(*took < limit, "{what} took {took:?}");
    }
    let (before, after) = seen.found.counted;
    said(&format!("the guest had told {before}, and {after} before Ceph went on after {:?}", seen.lasted));
    ensure!(
        after <= before + UNTOLD_MAX,
        "Ceph did not stand still: the guest counted from {before} to {after}"
    );
    Ok(())
}

/// Whether it was on its way for so long that the storage was known to stand still when it came.
fn came_late(what: &str, said: &str) -> bool {
    what == EARLY.join(" ") && said.contains(UNKNOWN)
}

fn recovers(rack: &Rack, seen: &Seen) -> Result<()> {
    let since = |what: &str| said(&format!("{what} by {:.1} s after it", seen.woken.elapsed().as_secs_f64()));
    let counted = seen.found.counted.1;
    wait_for("the guest to count on", PATIENCE, || {
        let now = rack.count(WRITER, 2);
        ensure!(now > counted + UNTOLD_MAX, "it has told {now}, and {counted} before");
        Ok(())
    })?;
    ensure!(rack.guest(WRITER, 2)? == seen.guest, "the guest is another one");
    since("the guest counted on");
    wait_for("the facts to be fresh", PATIENCE, || {
        for number in rack.numbers() {
            for path in MARKED {
                let old = staleness(rack, number, path)?.into_iter().find_map(|(_, mark)| mark);
                ensure!(old.is_none(), "{} tells {path} as old: {}", name(number), old.unwrap_or_default());
            }
            ensure!(silence_of(rack, number)?.is_none(), "{} tells of silence", name(number));
        }
        Ok(())
    })?;
    since("all facts were fresh");
    let there = |path: &str| {
        wait_for(path, PATIENCE, || rack.told(1, &format!("/api/v1/storage/ceph/{path}")).map(drop))
    };
    if seen.waited.iter().any(|change| change.what == EARLY.join(" ") && change.code != Some(0)) {
        rack.pvc(3, &EARLY)?;
    }
    there("volume/vms/early")?;
    there("snapshot/vms/writer_vda/standstill")?;
    since("what had waited was done");
    rack.vm_becomes(SLEEPER, ("start", 1), 2)?;
    rack.guest(SLEEPER, 1)?;
    since("the VM that had to wait for its volume ran");
    let log = rack.numbered_log(WRITER, "vms/writer_vda@standstill")?;
    ensure!(log.last >= counted, "{counted} was told, and the snapshot has {log}");
    rack.pvc(1, &["storage", "volume", "add", POOL, "late", "16M"])?;
    for volume in ["early", "late", "quiet"] {
        // Ceph tells of who was cut off while writing for half a minute, as if the volume were open.
        wait_for("a volume to be removed", PATIENCE, || {
            rack.pvc(1, &["storage", "volume", "remove", "-y", POOL, volume]).map(drop)
        })?;
    }
    rack.pvc(1, &["storage", "volume", "snapshot", "remove", "-y", POOL, "writer_vda", "standstill"])?;
    wait_for("the VM to be removed", PATIENCE, || rack.pvc(1, &["vm", "remove", "-y", SLEEPER]).map(drop))?;
    rack.ceph_is_well(1, 3)?;
    rack.counts_on(WRITER, 2)
}
