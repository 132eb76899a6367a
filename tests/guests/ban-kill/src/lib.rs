//! Ends the flows of addresses that a message bans. `tests/components` has the same policy in other languages.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ctwarden_sdk::prelude::*;

/// Prefix of the keys in memory. The address follows.
const KEY: &str = "ban/";

struct BanKill {
    banned: BTreeSet<IpAddr>,
}

impl Policy for BanKill {
    type Config = Nothing;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete];
    const CODES: &'static [ReasonCode] = &[ReasonCode::new("banned", "The sender is banned.")];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        let banned = memory::keys(KEY).iter().filter_map(|key| key.strip_prefix(KEY)?.parse().ok()).collect();
        Ok(Self { banned })
    }

    fn subscription(&self) -> Subscription {
        Subscription::default().selects()
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        self.banned.contains(&flow.src()).then(|| delete().because("banned", "")).into()
    }

    fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
        let address = text.strip_prefix("ban ").and_then(|address| address.parse::<IpAddr>().ok());
        let Some(address) = address else { return Err("write ban ADDRESS".into()) };
        memory::set(&format!("{KEY}{address}"), b"")?;
        self.banned.insert(address);
        Ok(reply(format!("{address} is banned")).with(delete().on(Filter::new().either(address)).because("banned", "")))
    }
}

export!(BanKill);
