//! Converts what the rules decide to verdicts.

use ctwarden_rules::{Action, Decision};
use ctwarden_sdk::prelude::*;

/// Returns the verdict on the flow. `code` is the name of the rule.
pub(crate) fn verdict(decision: Decision, code: &str, flow: &Flow<'_>) -> Verdict {
    let verdict = match decision.action {
        Action::Delete => delete(),
        Action::Kill => kill(),
        Action::Mark(masked) => mark(masked),
        Action::Labels { set, clear } => labels(bits(set), bits(clear)),
        Action::Timeout(seconds) => timeout(seconds),
        Action::Block { set, network, seconds } => {
            block(set, Prefix::around(network.address(), network.length())).seconds(seconds).into()
        }
        Action::Alert { title, severity, key, fields } => {
            let alert = alert(title).severity(self::severity(severity)).key(key);
            fields.into_iter().fold(alert, |alert, (name, value)| alert.field(name, value)).into()
        }
        Action::Log(fields) => log(fields),
    };
    verdict.because(code, decision.reason).on(flow)
}

fn bits(labels: u128) -> impl Iterator<Item = u8> {
    (0..128_u8).filter(move |bit| labels.checked_shr(u32::from(*bit)).unwrap_or(0) & 1 == 1)
}

const fn severity(number: u8) -> Severity {
    match number {
        0 => Severity::Emergency,
        1 => Severity::Alert,
        2 => Severity::Critical,
        3 => Severity::Error,
        5 => Severity::Notice,
        6 => Severity::Informational,
        7 => Severity::Debug,
        _ => Severity::Warning,
    }
}
