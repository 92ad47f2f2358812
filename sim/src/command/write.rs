//! Orders as text, one line each.

use std::fmt;

use host::memory::migration::Fault;
use host::memory::{Late, PowerButton};
use logic::id::NodeName;
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use store::memory::{CommitFault, Sessions};

use super::{Ask, Blow, Command, Kind, Manner, Mishap, Moment, Place, Reach, Seconds, faults_of_moves};

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

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::KillWaiting(span) => write!(f, "kill {}", Seconds(*span)),
            Self::Hang(span) => write!(f, "hang-loop {}", Seconds(*span)),
            Self::Stall(span) => write!(f, "stall {}", Seconds(*span)),
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.0 / 1000, self.0.0 % 1000);
        match rest {
            0 => write!(f, "{whole}s"),
            _ => write!(f, "{whole}.{}s", format!("{rest:03}").trim_end_matches('0')),
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => write!(f, "init"),
            Self::Storage(ask) => ask.fmt(f),
            Self::Osd(ask) => ask.fmt(f),
            Self::Define { vm, memory_mib, vcpus, node } => {
                write!(f, "define {vm} {memory_mib} {vcpus}")?;
                node.iter().try_for_each(|node| write!(f, " {node}"))
            }
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
            Self::Move { vm, to, manner } => write!(f, "move {vm}{}{manner}", named(to.as_ref())),
            Self::Migrate { vm, to, manner } => write!(f, "migrate {vm}{}{manner}", named(to.as_ref())),
            Self::Unmigrate { vm, manner } => write!(f, "unmigrate {vm}{manner}"),
            Self::Method { vm, method } => {
                write!(f, "method {vm} {}", format!("{method:?}").to_ascii_lowercase())
            }
            Self::Primary { node } => write!(f, "primary {node}"),
            Self::Secondary { node } => write!(f, "secondary {node}"),
            Self::Flush { node } => write!(f, "flush {node}"),
            Self::Ready { node } => write!(f, "ready {node}"),
            Self::Forget { node } => write!(f, "forget {node}"),
            Self::Fence { node } => write!(f, "fence {node}"),
            Self::Attach { vm, device } => write!(f, "attach {vm} {device}"),
            Self::Detach { vm, device } => write!(f, "detach {vm} {device}"),
            Self::Disk { vm, volume } => write!(f, "disk {vm} {volume}"),
            Self::RemoveWithVolumes { vm } => write!(f, "remove {vm} volumes"),
            Self::FlushLocks { vm } => write!(f, "flush-locks {vm}"),
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usual => "",
            Self::Live => " live",
            Self::Shutdown => " cold",
        })
    }
}

fn named(node: Option<&NodeName>) -> String {
    node.map_or(String::new(), |node| format!(" {node}"))
}

fn fault_name(fault: &Fault) -> &'static str {
    let found = faults_of_moves().into_iter().find(|(_, known)| known == fault);
    found.map_or("refused", |(name, _)| name)
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

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ask) => write!(f, "{ask}"),
            Self::Run(place) => write!(f, "run {place}"),
            Self::Stop(place) => write!(f, "end {place}"),
            Self::Befalls(place, Blow::Kill | Blow::KillWaiting(_)) => write!(f, "kill {place}"),
            Self::Befalls(place, Blow::Stall(span)) => write!(f, "stall {place} {}", Seconds(*span)),
            Self::Befalls(place, Blow::Hang(span)) => write!(f, "hang-loop {place} {}", Seconds(*span)),
            Self::Break { place, moment, step, blow } => {
                let moment = match moment {
                    Moment::Checked => "checked",
                    Moment::Acted => "acted",
                };
                write!(f, "break {place} {moment} {step} {blow}")
            }
            Self::Crash(vm) => write!(f, "crash {vm}"),
            Self::CrashUnseen(vm) => write!(f, "crash-unseen {vm}"),
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
            Self::CutPower(nodes) => several(f, "cut-power", nodes),
            Self::PowerOff(nodes) => several(f, "power-off", nodes),
            Self::PowerOn(nodes) => several(f, "power-on", nodes),
            Self::CutCable(one, other) => write!(f, "cut-cable {one} {other}"),
            Self::HealCable(one, other) => write!(f, "heal-cable {one} {other}"),
            Self::Slow(node, span) => write!(f, "slow {node} {}", Seconds(*span)),
            Self::Wall(node, ahead_ms) => {
                let sign = if *ahead_ms < 0 { '-' } else { '+' };
                write!(f, "wall {node} {sign}{}", Seconds(Span(ahead_ms.unsigned_abs())))
            }
            Self::Drift(node, drift_ppm) => write!(f, "drift {node} {drift_ppm}ppm"),
            Self::Uptime(node, span) => write!(f, "uptime {node} {}", Seconds(*span)),
            Self::Grow(node, memory_mib) => write!(f, "grow {node} {memory_mib}"),
            Self::Processors(node, count) => write!(f, "processors {node} {count}"),
            Self::Storage(misfortune) => misfortune.fmt(f),
            Self::Devices(node, fate) => write!(f, "device {node} {fate}"),
            Self::BreakMove(fault) => write!(f, "break-move {}", fault_name(fault)),
            Self::Busy(vm) => write!(f, "busy {vm}"),
            Self::Restless(vm) => write!(f, "restless {vm}"),
            Self::Store(Reach::Back) => write!(f, "store back"),
            Self::Store(Reach::Gone) => write!(f, "store gone"),
            Self::Network(node, mishap) => write!(f, "net {node} {mishap}"),
            Self::StoreOf(node, Reach::Back) => write!(f, "store back {node}"),
            Self::StoreOf(node, Reach::Gone) => write!(f, "store gone {node}"),
            Self::Election(span, Sessions::Kept) => write!(f, "election {} kept", Seconds(*span)),
            Self::Election(span, Sessions::Lost) => write!(f, "election {} lost", Seconds(*span)),
            Self::LoseLeader(span, fault) => write!(f, "lose-leader {} {}", Seconds(*span), landed(*fault)),
            Self::LoseCommit(fault) => write!(f, "lose-commit {}", landed(*fault)),
        }
    }
}

fn several(f: &mut fmt::Formatter<'_>, word: &str, nodes: &[NodeName]) -> fmt::Result {
    f.write_str(word)?;
    nodes.iter().try_for_each(|node| write!(f, " {node}"))
}

fn landed(fault: CommitFault) -> &'static str {
    match fault {
        CommitFault::UnknownLanded => "landed",
        CommitFault::UnknownLost => "not-landed",
    }
}
