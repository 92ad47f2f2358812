//! Orders from text: one line each.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use host::memory::migration::Fault;
use host::memory::{Late, PowerButton};
use logic::id::NodeName;
use logic::time::Span;
use logic::vm::MigrationMethod;
use logic::vm::accept::Force;
use store::memory::{CommitFault, Sessions};

use super::{
    Ask, Blow, Command, Kind, Manner, Mishap, Moment, Place, Reach, Seconds, faults_of_moves, osds, storage,
};

impl FromStr for Place {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let (kind, node) = text.split_once('@').context("a daemon is written noded@NODE or workerd@NODE")?;
        let kind = match kind {
            "noded" => Kind::Noded,
            "workerd" => Kind::Workerd,
            other => bail!("there is no daemon {other}"),
        };
        Ok(Self { kind, node: node.parse()? })
    }
}

impl FromStr for Seconds {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let number =
            text.strip_suffix('s').with_context(|| format!("{text} is no time; write 2s or 0.25s"))?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let rest = format!("{rest:0<3}");
        Ok(Self(Span(whole.parse::<u64>()? * 1000 + rest.get(..3).unwrap_or("0").parse::<u64>()?)))
    }
}

impl FromStr for Command {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        parse(&words).with_context(|| format!("the order `{text}`"))
    }
}

fn parse(words: &[&str]) -> Result<Command> {
    if let Some(ask) = storage::parse_ask(words)? {
        return Ok(Command::Ask(Ask::Storage(ask)));
    }
    if let Some(ask) = osds::parse_ask(words)? {
        return Ok(Command::Ask(Ask::Osd(ask)));
    }
    if let Some((node, fate)) = osds::parse_fate(words)? {
        return Ok(Command::Devices(node, fate));
    }
    if let Some(misfortune) = storage::parse_misfortune(words)? {
        return Ok(Command::Storage(misfortune));
    }
    if let Some(ask) = parse_ask(words)? {
        return Ok(Command::Ask(ask));
    }
    Ok(match *words {
        ["run", place] => Command::Run(place.parse()?),
        ["end", place] => Command::Stop(place.parse()?),
        ["kill", place] => Command::Befalls(place.parse()?, Blow::Kill),
        ["stall", place, span] => Command::Befalls(place.parse()?, Blow::Stall(span.parse::<Seconds>()?.0)),
        ["hang-loop", place, span] => Command::Befalls(place.parse()?, Blow::Hang(seconds(span)?)),
        ["break", place, moment, step, ref blow @ ..] => {
            let moment = match moment {
                "checked" => Moment::Checked,
                "acted" => Moment::Acted,
                other => bail!("there is no moment {other}"),
            };
            let blow = match *blow {
                ["kill"] => Blow::Kill,
                ["kill", span] if moment == Moment::Checked => Blow::KillWaiting(seconds(span)?),
                ["stall", span] => Blow::Stall(span.parse::<Seconds>()?.0),
                _ => bail!("what befalls it is `kill`, `kill TIME` where it was checked, or `stall TIME`"),
            };
            Command::Break { place: place.parse()?, moment, step: step.into(), blow }
        }
        ["busy", vm] => Command::Busy(vm.parse()?),
        ["restless", vm] => Command::Restless(vm.parse()?),
        ["break-move", fault] => Command::BreakMove(parse_fault(fault)?),
        ["crash-unseen", vm] => Command::CrashUnseen(vm.parse()?),
        ["crash", vm] => Command::Crash(vm.parse()?),
        ["button", vm, "ignored"] => Command::Button(vm.parse()?, PowerButton::Ignored),
        ["button", vm, after] => {
            Command::Button(vm.parse()?, PowerButton::Obeyed { after: after.parse::<Seconds>()?.0 })
        }
        _ => match parse_machine(words)? {
            Some(command) => command,
            None => parse_store(words)?,
        },
    })
}

fn parse_machine(words: &[&str]) -> Result<Option<Command>> {
    Ok(Some(match *words {
        ["start-by-hand", node, vm] => Command::StartByHand(node.parse()?, vm.parse()?),
        ["stop-by-hand", vm] => Command::StopByHand(vm.parse()?),
        ["refuse-starts", node, count] => Command::RefuseStarts(node.parse()?, count.parse()?),
        ["hang", node, "late"] => Command::Hang(node.parse()?, Late::Performed),
        ["hang", node, "lost"] => Command::Hang(node.parse()?, Late::Lost),
        ["cut", node] => Command::Cut(node.parse()?),
        ["heal", node] => Command::Heal(node.parse()?),
        ["lose-answers", node, count] => Command::LoseAnswers(node.parse()?, count.parse()?),
        ["lose-wakes", node, count] => Command::LoseWakes(node.parse()?, count.parse()?),
        ["cut-power", ref nodes @ ..] => Command::CutPower(parse_nodes(nodes)?),
        ["grow", node, memory_mib] => Command::Grow(node.parse()?, memory_mib.parse()?),
        ["processors", node, count] => Command::Processors(node.parse()?, count.parse()?),
        ["net", node, "down"] => Command::Network(node.parse()?, Mishap::Down),
        ["net", node, "stripped"] => Command::Network(node.parse()?, Mishap::Stripped),
        ["net", node, "refused"] => Command::Network(node.parse()?, Mishap::Refused),
        ["power-off", ref nodes @ ..] => Command::PowerOff(parse_nodes(nodes)?),
        ["power-on", ref nodes @ ..] => Command::PowerOn(parse_nodes(nodes)?),
        ["cut-cable", one, other] => Command::CutCable(one.parse()?, other.parse()?),
        ["heal-cable", one, other] => Command::HealCable(one.parse()?, other.parse()?),
        ["slow", node, span] => Command::Slow(node.parse()?, seconds(span)?),
        ["wall", node, ahead] => Command::Wall(node.parse()?, parse_ahead(ahead)?),
        ["drift", node, ppm] => {
            let ppm = ppm.strip_suffix("ppm").context("a drift is written as 200ppm or -200ppm")?;
            Command::Drift(node.parse()?, ppm.parse()?)
        }
        ["uptime", node, span] => Command::Uptime(node.parse()?, seconds(span)?),
        _ => return Ok(None),
    }))
}

fn parse_store(words: &[&str]) -> Result<Command> {
    Ok(match *words {
        ["store", "back"] => Command::Store(Reach::Back),
        ["store", "gone"] => Command::Store(Reach::Gone),
        ["store", "back", node] => Command::StoreOf(node.parse()?, Reach::Back),
        ["store", "gone", node] => Command::StoreOf(node.parse()?, Reach::Gone),
        ["election", span, "kept"] => Command::Election(seconds(span)?, Sessions::Kept),
        ["election", span, "lost"] => Command::Election(seconds(span)?, Sessions::Lost),
        ["lose-leader", span, landed] => Command::LoseLeader(seconds(span)?, parse_landed(landed)?),
        ["lose-commit", landed] => Command::LoseCommit(parse_landed(landed)?),
        _ => bail!("there is no such order"),
    })
}

fn seconds(text: &str) -> Result<Span> {
    Ok(text.parse::<Seconds>()?.0)
}

/// At least one node.
fn parse_nodes(words: &[&str]) -> Result<Vec<NodeName>> {
    if words.is_empty() {
        bail!("it names no node");
    }
    words.iter().map(|node| Ok(node.parse()?)).collect()
}

/// By how much a clock is set, in ms.
fn parse_ahead(text: &str) -> Result<i64> {
    let (sign, span) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(span), _) => (1, span),
        (_, Some(span)) => (-1, span),
        _ => bail!("a clock is set by +3600s or by -3600s"),
    };
    Ok(sign * i64::try_from(seconds(span)?.0)?)
}

/// A node, and how; each may be missing.
fn parse_way(words: &[&str]) -> Result<(Option<NodeName>, Manner)> {
    let (manner, rest) = match words {
        [rest @ .., "live"] => (Manner::Live, rest),
        [rest @ .., "cold"] => (Manner::Shutdown, rest),
        rest => (Manner::Usual, rest),
    };
    match rest {
        [] => Ok((None, manner)),
        [node] => Ok((Some(node.parse()?), manner)),
        _ => bail!("after the VM come a node, and `live` or `cold`"),
    }
}

fn parse_fault(name: &str) -> Result<Fault> {
    let found = faults_of_moves().into_iter().find(|(known, _)| *known == name);
    found.map(|(_, fault)| fault).context("no move breaks so")
}

fn parse_landed(text: &str) -> Result<CommitFault> {
    match text {
        "landed" => Ok(CommitFault::UnknownLanded),
        "not-landed" => Ok(CommitFault::UnknownLost),
        other => bail!("a commit is `landed` or `not-landed`, and not {other}"),
    }
}

fn parse_ask(words: &[&str]) -> Result<Option<Ask>> {
    Ok(Some(match *words {
        ["init"] => Ask::Init,
        ["define", vm, memory, vcpus, ref node @ ..] => {
            let node = match *node {
                [] => None,
                [node] => Some(node.parse()?),
                _ => bail!("after the vCPUs comes nothing, or a node"),
            };
            Ask::Define { vm: vm.parse()?, memory_mib: memory.parse()?, vcpus: vcpus.parse()?, node }
        }
        [word @ ("start" | "shutdown" | "stop" | "restart" | "disable"), vm, ref force @ ..] => {
            let force = match *force {
                [] => Force::No,
                ["force"] => Force::Yes,
                _ => bail!("after the VM comes nothing, or `force`"),
            };
            Ask::Power { vm: vm.parse()?, request: word.parse()?, force }
        }
        ["remove", vm] => Ask::Remove { vm: vm.parse()? },
        ["rename", vm, to] => Ask::Rename { vm: vm.parse()?, to: to.parse()? },
        ["autostart", vm] => Ask::Autostart { vm: vm.parse()? },
        ["move", vm, ref rest @ ..] => {
            let (to, manner) = parse_way(rest)?;
            Ask::Move { vm: vm.parse()?, to, manner }
        }
        ["migrate", vm, ref rest @ ..] => {
            let (to, manner) = parse_way(rest)?;
            Ask::Migrate { vm: vm.parse()?, to, manner }
        }
        ["method", vm, "none"] => Ask::Method { vm: vm.parse()?, method: MigrationMethod::None },
        ["method", vm, "live"] => Ask::Method { vm: vm.parse()?, method: MigrationMethod::Live },
        ["method", vm, "shutdown"] => Ask::Method { vm: vm.parse()?, method: MigrationMethod::Shutdown },
        ["primary", node] => Ask::Primary { node: node.parse()? },
        ["secondary", node] => Ask::Secondary { node: node.parse()? },
        ["flush", node] => Ask::Flush { node: node.parse()? },
        ["ready", node] => Ask::Ready { node: node.parse()? },
        ["forget", node] => Ask::Forget { node: node.parse()? },
        ["fence", node] => Ask::Fence { node: node.parse()? },
        ["unmigrate", vm, ref rest @ ..] => {
            let (_, manner) = parse_way(rest)?;
            Ask::Unmigrate { vm: vm.parse()?, manner }
        }
        ["attach", vm, device] => Ask::Attach { vm: vm.parse()?, device: device.into() },
        ["detach", vm, device] => Ask::Detach { vm: vm.parse()?, device: device.into() },
        _ => return parse_disks(words),
    }))
}

/// What is asked of VMs on volumes.
fn parse_disks(words: &[&str]) -> Result<Option<Ask>> {
    Ok(Some(match *words {
        ["disk", vm, volume] => Ask::Disk { vm: vm.parse()?, volume: volume.parse()? },
        ["remove", vm, "volumes"] => Ask::RemoveWithVolumes { vm: vm.parse()? },
        ["flush-locks", vm] => Ask::FlushLocks { vm: vm.parse()? },
        _ => return Ok(None),
    }))
}
