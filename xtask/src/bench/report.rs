//! What a measurement tells: figures with their aims, as a table and as one line of JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::say;

/// What a figure should reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Nothing was set.
    None,
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// One figure; its name ends with its unit and its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Such as `get_vm_at_1_ms_p50`.
    pub name: String,
    /// Its value; infinite when a run failed.
    pub value: f64,
    /// What it should reach.
    pub aim: Aim,
    /// What the Python original took for the same work.
    pub original: Option<f64>,
}

impl Figure {
    /// A figure that the Python original did not give.
    pub fn of(name: impl Into<String>, value: f64, aim: Aim) -> Self {
        Self { name: name.into(), value, aim, original: None }
    }

    /// The median and what 99 of a hundred runs do not exceed, as `NAME_p50` and `NAME_p99`; the aim is the latter's.
    pub fn percentiles(name: &str, values: &[f64], aim: Aim) -> [Self; 2] {
        [("p50", 0.5, Aim::None), ("p99", 0.99, aim)]
            .map(|(part, share, aim)| Self::of(format!("{name}_{part}"), percentile(values, share), aim))
    }

    /// Whether it was reached.
    pub fn is_reached(&self) -> bool {
        match self.aim {
            Aim::None => true,
            Aim::AtMost(aim) => self.value <= aim,
            Aim::AtLeast(aim) => self.value >= aim && self.value.is_finite(),
        }
    }
}

/// All figures of one measurement.
#[derive(Clone, Debug)]
pub struct Report {
    /// The measurement's name.
    pub bench: &'static str,
    /// On what it was taken: backends, versions, process ids, cores, load.
    pub on: Value,
    /// How many runs there were.
    pub runs: usize,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut rows = vec![["figure", "value", "aim", "Python original", ""].map(str::to_owned).to_vec()];
        for figure in &self.figures {
            let aim = match figure.aim {
                Aim::None => String::new(),
                Aim::AtMost(aim) => format!("<= {aim}"),
                Aim::AtLeast(aim) => format!(">= {aim}"),
            };
            let original = figure.original.map(|value| value.to_string()).unwrap_or_default();
            let missed = if figure.is_reached() { "" } else { "MISSED" };
            rows.push(vec![figure.name.clone(), shown(figure.value), aim, original, missed.into()]);
        }
        say::table(&rows)
    }

    /// The line for programs. JSON knows no infinity: a figure whose run failed is null, and missed.
    pub fn line(&self) -> String {
        let figures: BTreeMap<&str, f64> =
            self.figures.iter().map(|f| (f.name.as_str(), rounded(f.value))).collect();
        let aims: BTreeMap<&str, f64> = self
            .figures
            .iter()
            .filter_map(|f| match f.aim {
                Aim::None => None,
                Aim::AtMost(aim) | Aim::AtLeast(aim) => Some((f.name.as_str(), aim)),
            })
            .collect();
        let missed: Vec<&str> =
            self.figures.iter().filter(|f| !f.is_reached()).map(|f| f.name.as_str()).collect();
        json!({"bench": self.bench, "on": self.on, "runs": self.runs, "figures": figures, "aims": aims, "missed": missed})
            .to_string()
    }
}

/// The value below which this share of all values lies; infinite when there are none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    let wanted = (count * share).ceil();
    let at = (1u32..).zip(&sorted).find(|(index, _)| f64::from(*index) >= wanted);
    at.map_or(f64::INFINITY, |(_, value)| *value)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn shown(value: f64) -> String {
    if value.is_finite() { rounded(value).to_string() } else { "failed".into() }
}

#[cfg(test)]
mod tests;
