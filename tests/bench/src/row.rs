//! A row of the table: what was measured, the peers, the goals, and the checks.

use std::fmt;

use serde::Serialize;

use crate::figure::{Amount, Figure, Unit};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: Figure,
    /// The figures of the peers, each with its goal.
    pub(crate) peers: Vec<Peer>,
    /// The bounds for our own figure.
    pub(crate) limits: Vec<Limit>,
    /// The checks that each program did all of the work. A check that fails is an error, and the row does not appear.
    pub(crate) checked: Vec<String>,
    /// Further remarks for the reader.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) figure: Figure,
    /// How many times better our figure is: the quotient of the medians, above 1 if ours is better. Infinite if the
    /// peer's figure is 0; JSON writes that as null.
    pub(crate) ratio: f64,
    /// The least ratio to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<f64>,
}

/// A bound for our own figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limit {
    pub(crate) of: Of,
    pub(crate) goal: f64,
    pub(crate) is: f64,
    /// Whether the figure must be at least the goal. Otherwise it must be at most the goal.
    pub(crate) at_least: bool,
}

/// The part of a figure that a bound applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Of {
    Median,
    /// The value that 99 of 100 samples do not exceed.
    P99,
}

impl Row {
    /// A row without peers and bounds.
    pub(crate) fn new(what: impl Into<String>, ours: Figure) -> Self {
        let (peers, limits, checked, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { what: what.into(), ours, peers, limits, checked, notes }
    }

    /// Adds a peer's figure, and the least ratio to reach.
    pub(crate) fn beside(mut self, name: impl Into<String>, figure: Figure, goal: impl Into<Option<f64>>) -> Self {
        let ratio = if self.ours.unit == Unit::EventsASecond {
            self.ours.median / figure.median
        } else {
            figure.median / self.ours.median
        };
        self.peers.push(Peer { name: name.into(), figure, ratio, goal: goal.into() });
        self
    }

    /// Adds an upper bound in the figure's unit. With too few samples for a p99, the largest sample counts.
    pub(crate) fn at_most(self, of: Of, goal: f64) -> Self {
        self.bounded(of, goal, false)
    }

    /// Adds a lower bound in the figure's unit.
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

    /// Adds a further remark for the reader.
    pub(crate) fn note(mut self, what: impl Into<String>) -> Self {
        self.notes.push(what.into());
        self
    }
}

impl Peer {
    /// Whether the goal is reached. `None` without a goal.
    pub(crate) fn reached(&self) -> Option<bool> {
        self.goal.map(|goal| self.ratio >= goal)
    }
}

impl Limit {
    /// Whether the bound holds.
    pub(crate) fn reached(&self) -> bool {
        if self.at_least { self.is >= self.goal } else { self.is <= self.goal }
    }
}

/// A goal in words: 1 / 1.10 is "≤ 1.10 of its", 1.6 is "≥ 1.6 ×".
pub(crate) fn goal(ratio: f64) -> String {
    if ratio < 1.0 { format!("≤ {:.2} of its", 1.0 / ratio) } else { format!("≥ {ratio} ×") }
}

/// A ratio, in the same form as its goal.
pub(crate) fn ratio(ratio: f64, goal: Option<f64>) -> String {
    if goal.is_some_and(|goal| goal < 1.0) { format!("{:.2} of its", 1.0 / ratio) } else { format!("{ratio:.2} ×") }
}

/// The word for a goal that is reached or not.
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
