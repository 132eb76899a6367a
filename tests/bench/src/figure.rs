//! Figures from many runs: the median and the spread.
//!
//! A single run also measures what else the machine did. The median of five runs does not, and the spread shows how
//! much to trust it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Wall time, in seconds.
    Seconds,
    /// Processor time, user and system, in seconds.
    ProcessorSeconds,
    /// Bytes for each entry.
    BytesAnEntry,
    EventsASecond,
}

/// Samples of one measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) unit: Unit,
    /// The middle of the samples.
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The value that 99 of 100 samples do not exceed. `None` for fewer than 100 samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99: Option<f64>,
    /// All samples, in the order of the runs.
    pub(crate) samples: Vec<f64>,
}

impl Figure {
    /// The figure of these samples. `None` if there are no samples.
    pub(crate) fn of(unit: Unit, samples: Vec<f64>) -> Option<Self> {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let p99 = if sorted.len() >= 100 { quantile(&sorted, 99) } else { None };
        Some(Self { unit, median: median(&sorted)?, min, max, p99, samples })
    }

    pub(crate) fn wall(times: &[Duration]) -> Option<Self> {
        Self::of(Unit::Seconds, times.iter().map(Duration::as_secs_f64).collect())
    }

    pub(crate) fn processor(times: &[Duration]) -> Option<Self> {
        Self::of(Unit::ProcessorSeconds, times.iter().map(Duration::as_secs_f64).collect())
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(half.checked_sub(1)?)?, upper))
}

/// The smallest sample that this percentage of the samples does not exceed.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Amount(self.unit, self.median))?;
        if let Some(p99) = self.p99 {
            write!(f, ", p99 {}", Amount(self.unit, p99))?;
        }
        write!(f, " ({} to {})", Amount(self.unit, self.min), Amount(self.unit, self.max))
    }
}

/// A number with its unit, with three significant digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount(pub(crate) Unit, pub(crate) f64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(unit, value) = *self;
        match unit {
            Unit::Seconds | Unit::ProcessorSeconds => {
                let (scaled, name) = match value {
                    v if v >= 1.0 => (v, "s"),
                    v if v >= 1e-3 => (v * 1e3, "ms"),
                    v if v >= 1e-6 || v == 0.0 => (v * 1e6, "µs"),
                    v => (v * 1e9, "ns"),
                };
                write!(f, "{scaled:.*} {name}", digits(scaled))
            }
            Unit::BytesAnEntry => write!(f, "{value:.*} B", digits(value)),
            Unit::EventsASecond => write!(f, "{value:.0}/s"),
        }
    }
}

fn digits(value: f64) -> usize {
    match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_not_the_mean() {
        let of = |samples: &[f64]| Figure::of(Unit::Seconds, samples.to_vec()).unwrap();
        assert_eq!(of(&[9.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(of(&[4.0, 1.0, 2.0, 90.0]).median, 3.0);
        assert_eq!((of(&[3.0, 1.0]).min, of(&[3.0, 1.0]).max), (1.0, 3.0));
        assert!(Figure::of(Unit::Seconds, Vec::new()).is_none());
    }

    #[test]
    fn the_99th_of_100_is_the_last_but_one() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(Figure::of(Unit::Seconds, samples).unwrap().p99, Some(99.0));
        let few: Vec<f64> = (1..=99).map(f64::from).collect();
        assert_eq!(Figure::of(Unit::Seconds, few).unwrap().p99, None);
    }

    #[test]
    fn three_digits_count() {
        let seconds = |value| Amount(Unit::Seconds, value).to_string();
        assert_eq!(
            [seconds(4.0123), seconds(0.0451), seconds(0.000_123_4), seconds(7.8e-7)],
            ["4.01 s", "45.1 ms", "123 µs", "780 ns"]
        );
        assert_eq!(Amount(Unit::EventsASecond, 123_456.7).to_string(), "123457/s");
    }
}
