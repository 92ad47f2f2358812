//! What a script can order: one line of text, one value. A seed makes the same values, so that what it did can be read.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use host::memory::{Late, PowerButton};
use logic::id::{NodeName, VmName};
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use store::memory::CommitFault;

/// Which of a node's daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `pvcnoded`.
    Noded,
    /// `pvcworkerd`.
    Workerd,
}

/// One daemon of one node, written `noded@hv1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which daemon.
    pub kind: Kind,
    /// Which node.
    pub node: NodeName,
}

/// Which moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its guards were checked, and it has not acted.
    Checked,
    /// It has acted, and its end is not reported.
    Acted,
}

/// What befalls a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It is killed.
    Kill,
    /// It stands still for this long, as with SIGSTOP.
    Stall(Span),
}

/// What an operator asks of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the commands of `pvc` are")]
pub enum Ask {
    Init,
    Define { vm: VmName, memory_mib: u64, vcpus: u32 },
    Power { vm: VmName, request: PowerRequest, force: Force },
    Remove { vm: VmName },
    Rename { vm: VmName, to: VmName },
    Autostart { vm: VmName },
    Move { vm: VmName, to: Option<NodeName> },
    Migrate { vm: VmName, to: Option<NodeName> },
    Unmigrate { vm: VmName },
    Flush { node: NodeName },
    Ready { node: NodeName },
    Attach { vm: VmName, device: String },
    Detach { vm: VmName, device: String },
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The operator asks something.
    Ask(Ask),
    /// A daemon is started.
    Run(Place),
    /// A daemon is asked to stop.
    Stop(Place),
    /// Something befalls a daemon now.
    Befalls(Place, Blow),
    /// Something befalls a daemon the next time it is at this moment of a step of this name.
    Break {
        /// Which daemon.
        place: Place,
        /// Which moment.
        moment: Moment,
        /// The step's name, such as `start-guest`.
        step: String,
        /// What befalls it.
        blow: Blow,
    },
    /// A guest's QEMU process dies.
    Crash(VmName),
    /// What a guest does when its power button is pressed.
    Button(VmName, PowerButton),
    /// Somebody starts a guest past PVC.
    StartByHand(NodeName, VmName),
    /// Somebody stops a guest past PVC.
    StopByHand(VmName),
    /// The next starts are refused.
    RefuseStarts(NodeName, u32),
    /// The hypervisor does not answer.
    Hang(NodeName, Late),
    /// The hypervisor is not reachable.
    Cut(NodeName),
    /// The hypervisor answers again.
    Heal(NodeName),
    /// The answers of the next calls are lost.
    LoseAnswers(NodeName, u32),
    /// The next changes wake nobody.
    LoseWakes(NodeName, u32),
    /// The machine loses its power and comes back, with its daemons.
    CutPower(NodeName),
    /// The machine was given more memory, in MiB: its registration changes.
    Grow(NodeName, u64),
    /// The store does not answer, or answers again.
    Store(Reach),
    /// Something befalls a machine's networks.
    Network(NodeName, Mishap),
    /// The next commit's outcome is not told.
    LoseCommit(CommitFault),
}

/// What befalls a machine's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Somebody takes the card down.
    Down,
    /// Somebody takes the node's own address away.
    Stripped,
    /// The machine loses its power. No order of its own: it comes with `cut-power`.
    PowerCut,
    /// The next changes are refused.
    Refused,
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "down",
            Self::Stripped => "stripped",
            Self::PowerCut => "power-cut",
            Self::Refused => "refused",
        })
    }
}

/// Whether the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Back,
    /// It does not.
    Gone,
}

impl Command {
    /// The first word: what it is counted as.
    pub fn name(&self) -> String {
        let text = self.to_string();
        let words: Vec<&str> = text.split(' ').collect();
        match self {
            Self::Store(_) | Self::LoseCommit(_) | Self::Hang(..) => {
                format!("{}-{}", words[0], words[words.len() - 1])
            }
            Self::Break { .. } => format!("break-{}-{}", words[2], words[4]),
            _ => words[0].to_owned(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noded => "noded",
            Self::Workerd => "workerd",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.kind, self.node)
    }
}

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

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::Stall(span) => write!(f, "stall {}", Seconds(*span)),
        }
    }
}

/// A span as scripts write it, such as `2s` or `0.25s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Span);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.0 / 1000, self.0.0 % 1000);
        match rest {
            0 => write!(f, "{whole}s"),
            _ => write!(f, "{whole}.{}s", format!("{rest:03}").trim_end_matches('0')),
        }
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

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => write!(f, "init"),
            Self::Define { vm, memory_mib, vcpus } => write!(f, "define {vm} {memory_mib} {vcpus}"),
            Self::Power { vm, request, force } => {
                let word = match request {
                    PowerRequest::Start => "start",
                    PowerRequest::Shutdown => "shutdown",
                    PowerRequest::Stop => "stop",
                    PowerRequest::Restart => "restart",
                    PowerRequest::Disable => "disable",
                };
                let force = if *force == Force::Yes { " force" } else { "" };
                write!(f, "{word} {vm}{force}")
            }
            Self::Remove { vm } => write!(f, "remove {vm}"),
            Self::Rename { vm, to } => write!(f, "rename {vm} {to}"),
            Self::Autostart { vm } => write!(f, "autostart {vm}"),
            Self::Move { vm, to: None } => write!(f, "move {vm}"),
            Self::Move { vm, to: Some(to) } => write!(f, "move {vm} {to}"),
            Self::Migrate { vm, to: None } => write!(f, "migrate {vm}"),
            Self::Migrate { vm, to: Some(to) } => write!(f, "migrate {vm} {to}"),
            Self::Unmigrate { vm } => write!(f, "unmigrate {vm}"),
            Self::Flush { node } => write!(f, "flush {node}"),
            Self::Ready { node } => write!(f, "ready {node}"),
            Self::Attach { vm, device } => write!(f, "attach {vm} {device}"),
            Self::Detach { vm, device } => write!(f, "detach {vm} {device}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ask) => write!(f, "{ask}"),
            Self::Run(place) => write!(f, "run {place}"),
            Self::Stop(place) => write!(f, "end {place}"),
            Self::Befalls(place, Blow::Kill) => write!(f, "kill {place}"),
            Self::Befalls(place, Blow::Stall(span)) => write!(f, "stall {place} {}", Seconds(*span)),
            Self::Break { place, moment, step, blow } => {
                let moment = match moment {
                    Moment::Checked => "checked",
                    Moment::Acted => "acted",
                };
                write!(f, "break {place} {moment} {step} {blow}")
            }
            Self::Crash(vm) => write!(f, "crash {vm}"),
            Self::Button(vm, PowerButton::Ignored) => write!(f, "button {vm} ignored"),
            Self::Button(vm, PowerButton::Obeyed { after }) => write!(f, "button {vm} {}", Seconds(*after)),
            Self::StartByHand(node, vm) => write!(f, "start-by-hand {node} {vm}"),
            Self::StopByHand(vm) => write!(f, "stop-by-hand {vm}"),
            Self::RefuseStarts(node, count) => write!(f, "refuse-starts {node} {count}"),
            Self::Hang(node, Late::Performed) => write!(f, "hang {node} late"),
            Self::Hang(node, Late::Lost) => write!(f, "hang {node} lost"),
            Self::Cut(node) => write!(f, "cut {node}"),
            Self::Heal(node) => write!(f, "heal {node}"),
            Self::LoseAnswers(node, count) => write!(f, "lose-answers {node} {count}"),
            Self::LoseWakes(node, count) => write!(f, "lose-wakes {node} {count}"),
            Self::CutPower(node) => write!(f, "cut-power {node}"),
            Self::Grow(node, memory_mib) => write!(f, "grow {node} {memory_mib}"),
            Self::Network(node, mishap) => write!(f, "net {node} {mishap}"),
            Self::Store(Reach::Back) => write!(f, "store back"),
            Self::Store(Reach::Gone) => write!(f, "store gone"),
            Self::LoseCommit(CommitFault::UnknownLanded) => write!(f, "lose-commit landed"),
            Self::LoseCommit(CommitFault::UnknownLost) => write!(f, "lose-commit not-landed"),
        }
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
    if let Some(ask) = parse_ask(words)? {
        return Ok(Command::Ask(ask));
    }
    Ok(match *words {
        ["run", place] => Command::Run(place.parse()?),
        ["end", place] => Command::Stop(place.parse()?),
        ["kill", place] => Command::Befalls(place.parse()?, Blow::Kill),
        ["stall", place, span] => Command::Befalls(place.parse()?, Blow::Stall(span.parse::<Seconds>()?.0)),
        ["break", place, moment, step, ref blow @ ..] => {
            let moment = match moment {
                "checked" => Moment::Checked,
                "acted" => Moment::Acted,
                other => bail!("there is no moment {other}"),
            };
            let blow = match *blow {
                ["kill"] => Blow::Kill,
                ["stall", span] => Blow::Stall(span.parse::<Seconds>()?.0),
                _ => bail!("what befalls it is `kill` or `stall TIME`"),
            };
            Command::Break { place: place.parse()?, moment, step: step.into(), blow }
        }
        ["crash", vm] => Command::Crash(vm.parse()?),
        ["button", vm, "ignored"] => Command::Button(vm.parse()?, PowerButton::Ignored),
        ["button", vm, after] => {
            Command::Button(vm.parse()?, PowerButton::Obeyed { after: after.parse::<Seconds>()?.0 })
        }
        ["start-by-hand", node, vm] => Command::StartByHand(node.parse()?, vm.parse()?),
        ["stop-by-hand", vm] => Command::StopByHand(vm.parse()?),
        ["refuse-starts", node, count] => Command::RefuseStarts(node.parse()?, count.parse()?),
        ["hang", node, "late"] => Command::Hang(node.parse()?, Late::Performed),
        ["hang", node, "lost"] => Command::Hang(node.parse()?, Late::Lost),
        ["cut", node] => Command::Cut(node.parse()?),
        ["heal", node] => Command::Heal(node.parse()?),
        ["lose-answers", node, count] => Command::LoseAnswers(node.parse()?, count.parse()?),
        ["lose-wakes", node, count] => Command::LoseWakes(node.parse()?, count.parse()?),
        ["cut-power", node] => Command::CutPower(node.parse()?),
        ["grow", node, memory_mib] => Command::Grow(node.parse()?, memory_mib.parse()?),
        ["net", node, "down"] => Command::Network(node.parse()?, Mishap::Down),
        ["net", node, "stripped"] => Command::Network(node.parse()?, Mishap::Stripped),
        ["net", node, "refused"] => Command::Network(node.parse()?, Mishap::Refused),
        ["store", "back"] => Command::Store(Reach::Back),
        ["store", "gone"] => Command::Store(Reach::Gone),
        ["lose-commit", "landed"] => Command::LoseCommit(CommitFault::UnknownLanded),
        ["lose-commit", "not-landed"] => Command::LoseCommit(CommitFault::UnknownLost),
        _ => bail!("there is no such order"),
    })
}

fn parse_ask(words: &[&str]) -> Result<Option<Ask>> {
    Ok(Some(match *words {
        ["init"] => Ask::Init,
        ["define", vm, memory, vcpus] => {
            Ask::Define { vm: vm.parse()?, memory_mib: memory.parse()?, vcpus: vcpus.parse()? }
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
        ["move", vm] => Ask::Move { vm: vm.parse()?, to: None },
        ["move", vm, to] => Ask::Move { vm: vm.parse()?, to: Some(to.parse()?) },
        ["migrate", vm] => Ask::Migrate { vm: vm.parse()?, to: None },
        ["migrate", vm, to] => Ask::Migrate { vm: vm.parse()?, to: Some(to.parse()?) },
        ["flush", node] => Ask::Flush { node: node.parse()? },
        ["ready", node] => Ask::Ready { node: node.parse()? },
        ["unmigrate", vm] => Ask::Unmigrate { vm: vm.parse()? },
        ["attach", vm, device] => Ask::Attach { vm: vm.parse()?, device: device.into() },
        ["detach", vm, device] => Ask::Detach { vm: vm.parse()?, device: device.into() },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests;
