//! Deletes flows to one port, and records what it hears about its verdicts.
//!
//! This guest shows that the SDK exports outcomes without expectations, and that reports reach the plugin.

use ctwarden_sdk::outcome::Report;
use ctwarden_sdk::prelude::*;

/// Destination port of the flows that the guest deletes.
const PORT: u16 = 6667;

struct Listener;

impl Policy for Listener {
    type Config = Nothing;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete, VerdictKind::Log];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("unwanted", "The destination port is not wanted."),
        ReasonCode::new("heard", "A verdict ended."),
    ];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn subscription(&self) -> Subscription {
        Subscription::default().only(Filter::new().dst_port(PORT))
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        delete().because("unwanted", "").into()
    }
}

impl Outcomes for Listener {
    fn concluded(&mut self, report: &Report, _: Timestamp) -> Verdicts {
        let port = report.flow().map(|key| key.original.dst_port.to_string()).unwrap_or_default();
        let ended = format!("{:?}", report.outcome());
        let fields = [("kind", report.kind()), ("code", report.code()), ("port", &port), ("ended", &ended)];
        log(fields).because("heard", "").into()
    }
}

export!(Listener with outcomes);
