//! How long things take and which accidents befall steps: fixed in scenarios, drawn from a seed in swarms.

use logic::plan::Action;
use logic::time::Span;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The source of spans and accidents.
#[derive(Debug)]
pub enum Chance {
    /// Every span is the usual one, and there are no accidents.
    Fixed,
    /// Drawn from a seed.
    Drawn(Box<StdRng>),
}

impl Chance {
    /// Drawn from this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self::Drawn(Box::new(StdRng::seed_from_u64(seed)))
    }

    /// From a bell to what it wakes.
    pub fn to_wake(&mut self) -> Span {
        self.span(1, 12)
    }

    /// From the plan to the check of its guards.
    pub fn to_check(&mut self) -> Span {
        self.span(2, 20)
    }

    /// From the check to the act.
    pub fn to_act(&mut self, action: &Action) -> Span {
        match action {
            Action::Record(_) | Action::Announce(_) | Action::Network(_) => self.span(3, 30),
            _ => self.span(100, 800),
        }
    }

    /// From the act to its report.
    pub fn to_report(&mut self) -> Span {
        self.span(1, 12)
    }

    /// How late a slow machine hears, when it can be this late. In scenarios it is as late as can be.
    pub fn up_to(&mut self, most: Span) -> Span {
        match self {
            Self::Drawn(random) if most > Span::default() => Span(random.random_range(0..=most.0)),
            _ => most,
        }
    }

    /// Whether a step acts twice.
    pub fn twice(&mut self) -> bool {
        self.one_in(12)
    }

    /// Whether a call outlives the daemon that made it. In scenarios it does: that is the harder case.
    pub fn outlives(&mut self) -> bool {
        matches!(self, Self::Fixed) || self.one_in(2)
    }

    /// Usually about `usual` ms; one in fifty takes much longer.
    fn span(&mut self, usual: u64, most: u64) -> Span {
        let late = self.one_in(50);
        match self {
            Self::Fixed => Span(usual),
            Self::Drawn(random) if late => Span(random.random_range(most..=most * 40)),
            Self::Drawn(random) => Span(random.random_range(usual.div_ceil(2)..=most)),
        }
    }

    fn one_in(&mut self, count: u32) -> bool {
        match self {
            Self::Fixed => false,
            Self::Drawn(random) => random.random_ratio(1, count),
        }
    }
}
