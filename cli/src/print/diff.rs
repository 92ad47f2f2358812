//! The difference of two texts, as people who review changes read it.

use similar::TextDiff;

use super::paint::{Paint, Tone};

/// The difference with three lines around each change; empty when there is none.
pub(crate) fn unified(before: &str, after: &str, paint: Paint) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(3).header("current", "new").to_string();
    let coloured = text.lines().map(|line| {
        let tone = match line.as_bytes() {
            [b'+', b'+', ..] | [b'-', b'-', ..] => Tone::Heading,
            [b'+', ..] => Tone::Good,
            [b'-', ..] => Tone::Bad,
            [b'@', ..] => Tone::Dim,
            _ => Tone::Usual,
        };
        paint.paint(line, tone) + "\n"
    });
    coloured.collect()
}
