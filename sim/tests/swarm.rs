//! Some hundred seeds: no violation, the same log each time, and enough of each fault, step and state to mean it.

use sim::counts::Counts;
use sim::swarm::play;

/// Seeds played here; `cargo xtask sim swarm` plays more.
const SEEDS: u64 = 400;

/// What must be met at least so often in these seeds.
const FLOORS: &[(&str, &[&str], u64)] = &[
    (
        "faults",
        &["kill", "stall", "crash", "cut", "hang-late", "hang-lost", "lose-answers", "lose-wakes"],
        20,
    ),
    (
        "faults",
        &["store-gone", "cut-power", "grow", "refuse-starts", "start-by-hand", "stop-by-hand", "button"],
        15,
    ),
    ("faults", &["lose-commit-landed", "lose-commit-not-landed"], 20),
    ("faults", &["act-outlives-daemon"], 10),
    ("faults", &["break-checked-kill", "break-checked-stall", "break-acted-kill", "break-acted-stall"], 60),
    ("faults", &["step-twice"], 1000),
    ("steps done", &["announce", "record", "start-guest", "stop-guest", "press-power"], 200),
    ("steps done", &["attach-device", "detach-device"], 50),
    ("steps not done", &["record", "start-guest", "stop-guest"], 10),
    ("states", &["start", "stop", "shutdown", "restart", "disable", "fail", "delete", "migrate"], 20),
    ("reasons", &["handed-over"], 10),
    (
        "reasons",
        &["move-offered", "move-awaited", "move-sent", "move-gone", "move-received", "move-arrived"],
        50,
    ),
    ("reasons", &["move-failed", "move-taken-back", "move-aborted"], 5),
    ("reasons", &["move-stranded", "move-unwound", "move-cleared", "move-withdrawn", "move-ended"], 1),
    ("reasons", &["drained", "parked", "unparked", "called-home"], 2),
    (
        "reasons",
        &["start-uncertain", "crashed", "node-rebooted", "shutdown-overdue", "adopted", "removed"],
        3,
    ),
];

#[test]
fn no_seed_breaks_an_invariant_and_none_idles() {
    let mut counts = Counts::default();
    for seed in 1..=SEEDS {
        let outcome = play(seed);
        assert_eq!(outcome.violation, None, "seed {seed}\n{}", outcome.story);
        counts.merge(&outcome.counts);
    }
    for (group, names, floor) in FLOORS {
        for name in *names {
            let met = counts.of(group, name);
            assert!(met >= *floor, "{group}: {name} was met {met} times, and must be {floor} times");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 1..=20 {
        assert_eq!(play(seed).fingerprint, play(seed).fingerprint, "seed {seed}");
    }
    assert_ne!(play(1).fingerprint, play(2).fingerprint);
}
