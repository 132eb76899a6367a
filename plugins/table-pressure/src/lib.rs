//! Makes room before the table is full: deletes flows that nobody misses, and tells people when that does not help.
//!
//! The kernel itself evicts flows that are not assured when the table is full. So a table full of such flows is no
//! emergency, and the alert counts the others only.

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::table::Statistics;

pub use crate::config::Config;

/// The policy.
#[derive(Debug)]
pub struct TablePressure {
    config: Config,
    /// Figures of the last look at the table.
    before: Option<Statistics>,
    /// Flows of the running sweep that the kernel cannot evict.
    assured: u64,
    /// When the policy last asked for a sweep.
    asked: Option<Timestamp>,
    /// Whether the running sweep shows the whole table.
    whole: bool,
}

impl Policy for TablePressure {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Alert, VerdictKind::Delete, VerdictKind::Sweep];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("unassured", "The table is nearly full, and the flow is not assured."),
        ReasonCode::new("closed", "The table is nearly full, and the connection has ended."),
        ReasonCode::new("table-full", "Flows that the kernel cannot evict fill the table."),
        ReasonCode::new("packets-dropped", "The kernel dropped packets because the table was full."),
        ReasonCode::new("count", "The policy counts what the kernel cannot evict."),
    ];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        for (key, percent) in [("delete-percent", config.delete_percent), ("alert-percent", config.alert_percent)] {
            if percent == 0 || percent > 100 {
                return Err(format!("{key}: {percent} is not 1 to 100").into());
            }
        }
        if config.tick_seconds == 0 || config.count_seconds == 0 {
            return Err("tick-seconds and count-seconds: write at least 1".into());
        }
        Ok(Self { config, before: None, assured: 0, asked: None, whole: false })
    }

    fn subscription(&self) -> Subscription {
        Subscription::to(&[Kind::Row]).tick_every(Duration::from_secs(self.config.tick_seconds.into()))
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        self.assured += u64::from(flow.has(Status::ASSURED));
        Verdicts::none()
    }

    fn sweep_begin(&mut self, extent: Extent, _: Timestamp) -> Verdicts {
        self.whole = extent == Extent::Subscribed || self.asked.is_some();
        self.assured = 0;
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        let maximum = table::statistics().and_then(|now| now.maximum);
        let Some(maximum) = maximum.filter(|_| complete && self.whole) else { return Verdicts::none() };
        if reaches(self.assured, maximum, self.config.alert_percent) {
            let share = self.assured.saturating_mul(100) / u64::from(maximum);
            let why = format!("{share} % of the table are flows that the kernel cannot evict");
            let alert = alert(why.clone()).severity(Severity::Error).key("table-full");
            return alert.field("assured", self.assured).field("maximum", maximum).because("table-full", why).into();
        }
        Verdicts::none()
    }

    fn tick(&mut self, now: Timestamp) -> Verdicts {
        let Some(figures) = table::statistics() else { return Verdicts::none() };
        let before = self.before.replace(figures);
        let mut verdicts = Verdicts::none();
        let dropped = before.map_or(0, |before| figures.dropped.saturating_sub(before.dropped));
        if dropped > 0 {
            let why = format!("the kernel dropped {dropped} packets because the table was full");
            let alert = alert(why.clone()).severity(Severity::Critical).key("packets-dropped");
            verdicts.push(alert.field("dropped", dropped).because("packets-dropped", why));
        }
        // Without a maximum, the table is never full.
        let Some(maximum) = figures.maximum else { return verdicts };
        let entries = u64::from(figures.entries);
        if reaches(entries, maximum, self.config.delete_percent) {
            let why = || format!("{entries} of {maximum} entries");
            let closed = Filter::new().tcp().state(TcpState::TIME_WAIT).state(TcpState::CLOSE);
            verdicts.push(delete().on(closed.at_most(self.config.at_most)).because("closed", why()));
            let unassured = Filter::new().status_bits(Status(0), Status::ASSURED);
            verdicts.push(delete().on(unassured.at_most(self.config.at_most)).because("unassured", why()));
        }
        let pause = u64::from(self.config.count_seconds).saturating_mul(1_000_000_000);
        let due = self.asked.is_none_or(|asked| now.0.saturating_sub(asked.0) >= pause);
        if due && reaches(entries, maximum, self.config.alert_percent) {
            self.asked = Some(now);
            verdicts.push(sweep().because("count", format!("{entries} of {maximum} entries")));
        }
        verdicts
    }
}

fn reaches(entries: u64, maximum: u32, percent: u32) -> bool {
    entries.saturating_mul(100) >= u64::from(maximum).saturating_mul(percent.into())
}

export!(TablePressure);
