//! A failing script made shorter: orders are dropped for as long as it still fails.

use super::{Order, Outcome, play_script, script};

/// Makes the script of a failing seed shorter, and gives it with what it comes to; `None` when the seed does not fail.
/// It may come to fail otherwise than at first: any failure counts.
pub fn shrink(seed: u64) -> Option<(Vec<Order>, Outcome)> {
    let mut kept = script(seed);
    let mut outcome = play_script(seed, &kept);
    outcome.violation.as_ref()?;
    let mut width = kept.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < kept.len() {
            let to = kept.len().min(from + width);
            let shorter: Vec<Order> = kept[..from].iter().chain(&kept[to..]).cloned().collect();
            let tried = play_script(seed, &shorter);
            if tried.violation.is_some() {
                (kept, outcome) = (shorter, tried);
            } else {
                from = to;
            }
        }
        if width == 1 {
            return Some((kept, outcome));
        }
        width = width.div_ceil(2);
    }
}
