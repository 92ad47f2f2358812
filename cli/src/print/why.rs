//! Why a VM is where it is: the reasons as sentences, and what each node is to it as a table.

use api::{VmWhy, WhyNode};

use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// The whole page.
pub(crate) fn page(why: &VmWhy, paint: Paint) -> String {
    let mut out: String = why.reasons.iter().map(|reason| format!("{reason}\n")).collect();
    let mut table = Table::new(&["Node", "Part", "#Score", "Why"]);
    for node in &why.nodes {
        table.row(vec![
            node.name.as_str().into(),
            Cell::toned(node.part.as_str(), tone(node)),
            node.score.map_or_else(|| "-".into(), |score| score.to_string()).into(),
            node.words.as_str().into(),
        ]);
    }
    out.push('\n');
    out + &table.render(paint)
}

fn tone(node: &WhyNode) -> Tone {
    match node.part.as_str() {
        "owner" => Tone::Good,
        "target" => Tone::Attention,
        "barred" => Tone::Dim,
        _ => Tone::Usual,
    }
}
