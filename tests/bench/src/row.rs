//! A row of the table: what was measured, beside whom, what was to be reached, and what was checked.

use std::fmt;

use serde::Serialize;

use crate::figure::{Amount, Figure, Unit};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: Figure,
    /// The others', each with what was to be reached beside it.
    pub(crate) peers: Vec<Peer>,
    /// What the figure was to be by itself.
    pub(crate) limits: Vec<Limit>,
    /// What was checked so that nobody did less; a check that fails is no row but an error.
    pub(crate) checked: Vec<String>,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) figure: Figure,
    /// How many times better ours is: the quotient of the medians, above 1 where ours is better; infinite, which JSON writes
    /// as null, where the peer's is 0.
    pub(crate) ratio: f64,
    /// What that is to be at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<f64>,
}

/// A bound of our own figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limit {
    pub(crate) of: Of,
    pub(crate) goal: f64,
    pub(crate) is: f64,
    /// Whether it is to be at least that, and not at most.
    pub(crate) at_least: bool,
}

/// Part of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Of {
    Median,
    /// The 99th of 100.
    P99,
}

impl Row {
    /// A row of its own.
    pub(crate) fn new(what: impl Into<String>, ours: Figure) -> Self {
        let (peers, limits, checked, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { what: what.into(), ours, peers, limits, checked, notes }
    }

    /// Beside a peer, and how many times better it is to be.
    pub(crate) fn beside(mut self, name: impl Into<String>, figure: Figure, goal: impl Into<Option<f64>>) -> Self {
        let ratio = if self.ours.unit == Unit::EventsASecond {
            self.ours.median / figure.median
        } else {
            figure.median / self.ours.median
        };
        self.peers.push(Peer { name: name.into(), figure, ratio, goal: goal.into() });
        self
    }

    /// At most that, in the figure's unit; p99 where there are too few samples for one is the largest.
    pub(crate) fn at_most(self, of: Of, goal: f64) -> Self {
        self.bounded(of, goal, false)
    }

    /// At least that, in the figure's unit.
    pub(crate) fn at_least(self, of: Of, goal: f64) -> Self {
        self.bounded(of, goal, true)
    }

    fn bounded(mut self, of: Of, goal: f64, at_least: bool) -> Self {
        let is = match of {
            Of::Median => self.ours.median,
            Of::P99 => self.ours.p99.unwrap_or(self.ours.max),
        };
        self.limits.push(Limit { of, goal, is, at_least });
        self
    }

    pub(crate) fn checked(mut self, what: impl Into<String>) -> Self {
        self.checked.push(what.into());
        self
    }

    /// What else is worth knowing.
    pub(crate) fn note(mut self, what: impl Into<String>) -> Self {
        self.notes.push(what.into());
        self
    }
}

impl Peer {
    /// Whether its goal is reached, where it has one.
    pub(crate) fn reached(&self) -> Option<bool> {
        self.goal.map(|goal| self.ratio >= goal)
    }
}

impl Limit {
    /// Whether it is kept.
    pub(crate) fn reached(&self) -> bool {
        if self.at_least { self.is >= self.goal } else { self.is <= self.goal }
    }
}

/// A ratio, as the goal is written: 1 / 1.10 is "≤ 1.10 × its time", 1.6 is "≥ 1.6 ×".
pub(crate) fn goal(ratio: f64) -> String {
    if ratio < 1.0 { format!("≤ {:.2} of its", 1.0 / ratio) } else { format!("≥ {ratio} ×") }
}

/// A ratio in the same words.
pub(crate) fn ratio(ratio: f64, goal: Option<f64>) -> String {
    if goal.is_some_and(|goal| goal < 1.0) { format!("{:.2} of its", 1.0 / ratio) } else { format!("{ratio:.2} ×") }
}

/// A word for people.
pub(crate) const fn word(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT REACHED" }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.what)?;
        let width = self.peers.iter().map(|peer| peer.name.chars().count()).max().unwrap_or(0).max("ctwarden".len());
        writeln!(f, "    {:width$}  {}", "ctwarden", self.ours)?;
        for peer in &self.peers {
            write!(f, "    {:width$}  {}: {}", peer.name, peer.figure, ratio(peer.ratio, peer.goal))?;
            match (peer.goal, peer.reached()) {
                (Some(wanted), Some(reached)) => writeln!(f, ", goal {}: {}", goal(wanted), word(reached))?,
                _ => writeln!(f)?,
            }
        }
        for limit in &self.limits {
            let (sign, unit) = (if limit.at_least { "≥" } else { "≤" }, self.ours.unit);
            let of = if limit.of == Of::P99 { "p99" } else { "median" };
            let (is, goal) = (Amount(unit, limit.is), Amount(unit, limit.goal));
            writeln!(f, "    {of} {is}, goal {sign} {goal}: {}", word(limit.reached()))?;
        }
        for checked in &self.checked {
            writeln!(f, "    checked: {checked}")?;
        }
        for note in &self.notes {
            writeln!(f, "    {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: f64) -> Figure {
        Figure::of(Unit::Seconds, vec![value]).unwrap()
    }

    #[test]
    fn faster_is_better_for_times_and_more_for_rates() {
        let row = Row::new("x", seconds(2.0)).beside("slow", seconds(5.0), 2.0).beside("bare", seconds(1.9), 1.0 / 1.1);
        assert_eq!(row.peers.iter().map(Peer::reached).collect::<Vec<_>>(), [Some(true), Some(true)]);
        let rate = |value| Figure::of(Unit::EventsASecond, vec![value]).unwrap();
        let row = Row::new("x", rate(90.0)).beside("y", rate(30.0), 5.0).beside("z", rate(30.0), None);
        assert_eq!(row.peers.iter().map(Peer::reached).collect::<Vec<_>>(), [Some(false), None]);
        let row = Row::new("x", rate(90.0)).at_least(Of::Median, 100.0).at_most(Of::Median, 100.0);
        assert_eq!(row.limits.iter().map(Limit::reached).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_goal_below_one_is_told_as_a_share_of_the_peers_time() {
        assert_eq!((goal(1.0 / 1.1).as_str(), goal(1.6).as_str()), ("≤ 1.10 of its", "≥ 1.6 ×"));
        assert_eq!(ratio(0.8, Some(0.9)), "1.25 of its");
    }
}
