//! Some hundred seeds: no violation, the same log each time, and enough of each fault, step and state to mean it.

use sim::counts::Counts;
use sim::swarm::play;

/// Seeds played here; `cargo xtask sim swarm` plays more.
const SEEDS: u64 = 200;

/// What must be met at least so often in these seeds.
const FLOORS: &[(&str, &[&str], u64)] = &[
    ("clusters", &["of  1 nodes", "of  2 nodes", "of  3 nodes"], 40),
    ("clusters", &["of  5 nodes"], 8),
    ("clusters", &["of 12 nodes"], 2),
    ("faults", &["kill", "grow"], 100),
    ("faults", &["crash", "crash-unseen"], 8),
    ("reasons", &["process-gone"], 3),
    ("faults", &["stall", "cut", "lose-answers", "lose-wakes", "refuse-starts"], 20),
    ("faults", &["hang-late", "hang-lost", "start-by-hand", "stop-by-hand", "button", "net"], 10),
    ("faults", &["store-gone", "store-gone-from-one", "slow", "cut-cable", "cut-power", "power-off"], 15),
    ("faults", &["election-kept", "lose-leader-landed", "lose-leader-not-landed"], 8),
    ("faults", &["election-lost", "cut-power-of-several", "power-off-of-several"], 4),
    ("faults", &["wall", "drift", "uptime"], 100),
    ("faults", &["processors"], 60),
    ("faults", &["lose-commit-landed", "lose-commit-not-landed"], 15),
    ("faults", &["act-outlives-daemon"], 20),
    ("faults", &["hang-loop"], 40),
    ("faults", &["primary-hangs-on"], 1),
    ("faults", &["break-checked-kill", "break-checked-stall", "break-acted-kill", "break-acted-stall"], 20),
    ("faults", &["step-twice"], 1000),
    ("steps done", &["announce", "record", "start-guest", "press-power"], 200),
    ("steps done", &["stop-guest"], 60),
    ("steps done", &["attach-device", "detach-device"], 15),
    ("steps not done", &["record", "start-guest"], 10),
    ("steps not done", &["stop-guest"], 1),
    ("faults", &["osd-add", "osd-remove"], 60),
    ("faults", &["osd-replace", "device-fails"], 5),
    ("steps done", &["prepare-osd", "place-osd", "start-osd", "await-osd-up"], 100),
    ("steps done", &["mark-osd-out", "await-osd-safe", "stop-osd", "purge-osd", "wipe-osd"], 15),
    ("steps done", &["destroy-osd"], 3),
    ("steps not done", &["expect-empty-device", "mark-osd-out"], 3),
    ("states", &["start", "stop", "shutdown", "restart", "disable", "delete", "migrate"], 20),
    ("states", &["fail"], 5),
    ("services", &["primary", "secondary", "takeover", "relinquish"], 20),
    ("services", &["flush", "flushed", "unflush", "ready"], 15),
    ("reasons", &["drained", "called-home"], 20),
    ("reasons", &["parked", "unparked"], 2),
    ("reasons", &["handed-over"], 10),
    (
        "reasons",
        &["move-offered", "move-awaited", "move-sent", "move-gone", "move-received", "move-arrived"],
        50,
    ),
    ("reasons", &["move-failed", "move-taken-back", "move-aborted"], 5),
    ("reasons", &["move-stranded", "move-unwound", "move-cleared", "move-withdrawn"], 5),
    ("reasons", &["move-ended"], 1),
    ("reasons", &["guest-elsewhere", "guest-of-removed", "role-holder-silent"], 3),
    ("reasons", &["move-vain"], 5),
    ("reasons", &["move-sent-by-post-copy", "move-switched"], 2),
    ("reasons", &["move-torn"], 1),
    ("faults", &["fence"], 40),
    ("reasons", &["fence-confirmed", "fence-lifted", "fence-barred"], 20),
    ("reasons", &["fence-obeyed", "fence-rebooted", "fence-awaited"], 8),
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
