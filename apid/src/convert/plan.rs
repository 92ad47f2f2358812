//! What a flush or a ready would do, as the API shows it.

use api::{NodeDuty, NodePlanVm};
use logic::id::NodeName;
use logic::node::drain::{Duty, Fate, Foreseen};
use logic::vm::MigrationMethod;

/// The plan, with a sentence that counts what is in it.
pub fn plan(node: &NodeName, duty: Duty, foreseen: &[Foreseen]) -> NodeDuty {
    let plan: Vec<NodePlanVm> = foreseen.iter().map(vm).collect();
    let count = |fate: &str| plan.iter().filter(|vm| vm.fate == fate).count();
    let mut parts = vec![format!("move {} VMs", count("moves"))];
    if count("parks") > 0 {
        parts.push(format!("shut down {} that no other node can take", count("parks")));
    }
    if count("starts") > 0 {
        parts.push(format!("start {}", count("starts")));
    }
    if count("stays") > 0 {
        parts.push(format!("leave {} as they are", count("stays")));
    }
    let verb = match duty {
        Duty::Flushed => "A flush",
        Duty::Ready => "A ready",
    };
    let message = format!("{verb} of node \"{node}\" would {}. Nothing was changed.", parts.join(", "));
    NodeDuty { message, plan: Some(plan) }
}

fn vm(foreseen: &Foreseen) -> NodePlanVm {
    let plain = NodePlanVm {
        name: foreseen.name.to_string(),
        uuid: foreseen.vm.to_string(),
        from: foreseen.from.to_string(),
        ..NodePlanVm::default()
    };
    match &foreseen.fate {
        Fate::Moves { to, how } => {
            NodePlanVm { fate: "moves".into(), to: to.to_string(), method: method(*how).into(), ..plain }
        }
        Fate::Parks { why } => NodePlanVm { fate: "parks".into(), why: why.clone(), ..plain },
        Fate::Unparks => NodePlanVm { fate: "starts".into(), ..plain },
        Fate::Stays { why } => NodePlanVm { fate: "stays".into(), why: why.clone(), ..plain },
    }
}

fn method(how: MigrationMethod) -> &'static str {
    match how {
        MigrationMethod::None => "none",
        MigrationMethod::Live => "live",
        MigrationMethod::Shutdown => "shutdown",
    }
}
