//! Selects the alerts that the operator sees: only keys that were not shown lately, and no more alerts than a person
//! can read.
//!
//! A flood of alerts hides the important one. Any packet can trigger such a flood, so a flood is also an attack.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use ctwarden_model::{Alert, Outcome, Steady};

use crate::PluginLimits;
use crate::verdicts::budget::Bucket;

#[derive(Clone, Debug)]
pub(crate) struct Alerts {
    rate: Bucket,
    shown: BTreeMap<String, Steady>,
    /// Keys in the order in which they were shown. Has the same length as `shown`.
    order: VecDeque<String>,
}

impl Alerts {
    pub(crate) fn new(limits: &PluginLimits, now: Steady) -> Self {
        Self { rate: Bucket::new(limits.alert_burst, now), shown: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Returns `None` if the alert is shown, else the outcome of its verdict. The title replaces an empty key.
    pub(crate) fn admit(
        &mut self,
        alert: &Alert,
        limits: &PluginLimits,
        window: Duration,
        keys: usize,
        now: Steady,
    ) -> Option<Outcome> {
        let key = if alert.key.is_empty() { &alert.title } else { &alert.key };
        self.forget(window, now);
        if self.shown.contains_key(key) {
            return Some(Outcome::Superseded);
        }
        if !self.rate.take(limits.alerts_per_second, limits.alert_burst, now) {
            return Some(Outcome::OverBudget);
        }
        while self.order.len() >= keys.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                self.shown.remove(&oldest);
            }
        }
        self.shown.insert(key.clone(), now);
        self.order.push_back(key.clone());
        None
    }

    fn forget(&mut self, window: Duration, now: Steady) {
        while let Some(oldest) = self.order.front() {
            if self.shown.get(oldest).is_some_and(|shown| now.since(*shown) < window) {
                return;
            }
            self.shown.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn alert(key: &str) -> Alert {
        Alert { severity: 4, title: "too many".into(), key: key.into(), fields: Vec::new() }
    }

    #[test]
    fn the_same_key_is_shown_once_in_a_window() {
        let limits = PluginLimits::default();
        let mut alerts = Alerts::new(&limits, Steady(0));
        let mut admit = |key: &str, second: u64| {
            alerts.admit(&alert(key), &limits, MINUTE, 10, Steady(second * 1_000_000_000)).map(|o| o.name())
        };
        assert_eq!(admit("a", 1), None);
        assert_eq!(admit("a", 60), Some("superseded"));
        assert_eq!(admit("b", 60), None);
        assert_eq!(admit("a", 61), None);
    }

    #[test]
    fn no_more_are_shown_than_the_rate_allows_and_no_more_keys_kept_than_told() {
        let limits = PluginLimits { alert_burst: 5, alerts_per_second: 1, ..PluginLimits::default() };
        let mut alerts = Alerts::new(&limits, Steady(0));
        let shown = |alerts: &mut Alerts, second: u64| {
            (0..100)
                .filter(|n| {
                    let now = Steady(second * 1_000_000_000);
                    alerts.admit(&alert(&format!("{second}/{n}")), &limits, MINUTE, 3, now).is_none()
                })
                .count()
        };
        assert_eq!(shown(&mut alerts, 0), 5);
        assert_eq!(shown(&mut alerts, 2), 2);
        assert_eq!((alerts.shown.len(), alerts.order.len()), (3, 3));
    }
}
