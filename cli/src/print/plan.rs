//! What a flush or a ready would do: a sentence, and each VM with where it goes or why it cannot.

use api::{NodeDuty, NodePlanVm};

use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// The whole page.
pub(crate) fn page(duty: &NodeDuty, paint: Paint) -> String {
    let vms = duty.plan.as_deref().unwrap_or_default();
    if vms.is_empty() {
        return duty.message.clone();
    }
    let mut table = Table::new(&["VM", "From", "Fate", "To", "Method", "Why"]);
    for vm in vms {
        table.row(vec![
            vm.name.as_str().into(),
            vm.from.as_str().into(),
            Cell::toned(vm.fate.as_str(), tone(vm)),
            or_dash(&vm.to).into(),
            or_dash(&vm.method).into(),
            or_dash(&vm.why).into(),
        ]);
    }
    format!("{}\n\n{}", duty.message, table.render(paint))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn tone(vm: &NodePlanVm) -> Tone {
    match vm.fate.as_str() {
        "moves" | "starts" => Tone::Good,
        _ => Tone::Attention,
    }
}
