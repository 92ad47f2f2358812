//! What a seed's operator asks of OSDs, and what befalls them: in one of four seeds, on its first three nodes.

use logic::id::NodeName;
use logic::storage::osd::work::Care;
use logic::storage::osd::{DeviceChoice, OsdFlag, OsdId};
use logic::time::Span;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::TROUBLE;
use super::script::{Order, node};
use crate::command::{Ask, Blow, Command, Fate, Kind, Misfortune, Moment, OsdAsk, Place};

/// The steps that a worker dies or stands still at.
const STEPS: [&str; 14] = [
    "expect-empty-device",
    "prepare-osd",
    "place-osd",
    "start-osd",
    "await-osd-up",
    "mark-osd-out",
    "await-osd-safe",
    "stop-osd",
    "destroy-osd",
    "purge-osd",
    "wipe-osd",
    "look-at-osds",
    "expect-osd-on-device",
    "restore-osd",
];

/// Those among them by which OSDs of a machine that was built anew are taken over.
const STEPS_OF_REFRESH: [&str; 2] = ["expect-osd-on-device", "restore-osd"];

/// Every node's devices.
const DEVICES: [&str; 4] = ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"];

/// The orders about OSDs of a seed whose cluster has so many nodes.
pub(super) fn osds(random: &mut StdRng, nodes: u64, script: &mut Vec<Order>) {
    if random.random_ratio(3, 4) {
        return;
    }
    let nodes = nodes.min(3);
    for number in 1..=nodes {
        for path in DEVICES {
            script.push((Span(0), Command::Devices(node(number), Fate::New(path.into()))));
        }
        let (device, count) = (path(DEVICES[0]), random.random_range(1..=2));
        let at = Span(random.random_range(2000..9000));
        script.push((at, asked(OsdAsk::Add { node: node(number), device, count })));
    }
    for _ in 0..random.random_range(3..12) {
        let at = Span(random.random_range(5000..TROUBLE.0));
        let node = node(random.random_range(1..=nodes));
        script.push((at, asked(wish(random, node))));
    }
    for _ in 0..random.random_range(0..6) {
        let at = Span(random.random_range(2500..TROUBLE.0));
        let node = node(random.random_range(1..=nodes));
        misfortune(random, (at, node), script);
    }
}

fn asked(ask: OsdAsk) -> Command {
    Command::Ask(Ask::Osd(ask))
}

fn path(device: &str) -> DeviceChoice {
    device.parse().expect("it is a path")
}

fn wish(random: &mut StdRng, node: NodeName) -> OsdAsk {
    let (osd, device) = (OsdId(random.random_range(0..5)), device(random));
    match random.random_range(0..16) {
        0..=4 => OsdAsk::Add { node, device, count: [1, 1, 2, 3][random.random_range(0..4)] },
        5..=8 => OsdAsk::Remove { osd, care: Care::Safe },
        9 => OsdAsk::Remove { osd, care: Care::Forced },
        10 | 11 => OsdAsk::Replace { osd, device },
        12 => OsdAsk::MarkIn { osd },
        13 => OsdAsk::MarkOut { osd },
        14 => OsdAsk::AddDb { node, device },
        _ => match random.random_range(0..3) {
            0 => OsdAsk::SetFlag { flag: OsdFlag::Noout },
            1 => OsdAsk::UnsetFlag { flag: OsdFlag::Noout },
            _ => OsdAsk::Refresh { osd, device },
        },
    }
}

/// A device by its path, or by what it is: the records do not know beforehand which that will be.
fn device(random: &mut StdRng) -> DeviceChoice {
    let index = random.random_range(0..DEVICES.len());
    match random.random_ratio(1, 3) {
        true => format!("detect:acme:2199G:{index}").parse().expect("it is a choice"),
        false => path(DEVICES[index]),
    }
}

/// Something that befalls a worker, the storage or a machine's devices, and what ends it where it does not end by itself.
fn misfortune(random: &mut StdRng, (at, node): (Span, NodeName), script: &mut Vec<Order>) {
    let later = Span(at.0 + random.random_range(50..20_000));
    let device = DEVICES[random.random_range(0..DEVICES.len())].to_owned();
    let mut add = |at, command| script.push((at, command));
    match random.random_range(0..16) {
        0 | 1 => {
            add(at, Command::Storage(Misfortune::Hang));
            add(later, Command::Storage(Misfortune::Heal));
        }
        2 | 3 => add(at, Command::Storage(Misfortune::Refuse(random.random_range(1..4)))),
        4 => add(at, Command::Storage(Misfortune::LoseAnswers(random.random_range(1..4)))),
        5 | 6 => add(at, Command::Devices(node, Fate::Fails(random.random_range(1..4)))),
        7 => add(at, Command::Devices(node, Fate::Filled(device))),
        8 if random.random_ratio(1, 2) => add(at, Command::Devices(node, Fate::Lost(device))),
        8 => {
            add(at, Command::Devices(node.clone(), Fate::Rebuilt));
            // As often as not, the worker that takes them over dies or stands still at that.
            if random.random_ratio(1, 2) {
                disturbed(random, (later, Span(later.0 + 10_000)), (node, &STEPS_OF_REFRESH), script);
            }
            for osd in 0..3 {
                let device = path(DEVICES[random.random_range(0..DEVICES.len())]);
                let order = asked(OsdAsk::Refresh { osd: OsdId(osd), device });
                script.push((Span(later.0 + u64::from(osd) * 2000), order));
            }
        }
        _ => disturbed(random, (at, later), (node, &STEPS), script),
    }
}

/// The node's worker dies or stands still before or after one of these steps, and is started again later.
pub(super) fn disturbed(
    random: &mut StdRng,
    (at, later): (Span, Span),
    (node, steps): (NodeName, &[&str]),
    script: &mut Vec<Order>,
) {
    let place = Place { kind: Kind::Workerd, node };
    let moment = if random.random_ratio(1, 2) { Moment::Checked } else { Moment::Acted };
    let stall = Blow::Stall(Span(random.random_range(100..15_000)));
    let blow = if random.random_ratio(2, 3) { Blow::Kill } else { stall };
    let step = steps[random.random_range(0..steps.len())].to_owned();
    script.push((at, Command::Break { place: place.clone(), moment, step, blow }));
    script.push((later, Command::Run(place)));
}
