//! How many tests each crate and each suite of the lab has at least, so that tests cannot vanish without a word.
//!
//! A floor is raised by whoever adds many tests, and lowered only with a reason in the commit.

use crate::test::tally::Tally;

/// Crates and suites, and the least number of their tests.
pub const FLOORS: [(&str, usize); 12] = [
    ("agent", 35),
    ("api", 12),
    ("apid", 90),
    ("cli", 85),
    ("host", 185),
    ("link", 51),
    ("logic", 275),
    ("sim", 13),
    ("store", 100),
    ("suite cluster", 59),
    ("suite lab", 55),
    ("xtask", 97),
];

/// Compares what was run with the floors. It makes sense only after all suites.
pub fn check(tally: &mut Tally) {
    for (owner, floor) in FLOORS {
        let ran = tally.tests_of(owner);
        tally.check(&format!("{owner} has at least {floor} tests"), || match ran >= floor {
            true => Ok(()),
            false => anyhow::bail!("it ran {ran}"),
        });
    }
}
