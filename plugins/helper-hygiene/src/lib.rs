//! Deletes expectations of helpers that nobody allowed, or that open ports that they should not.
//!
//! A helper (FTP, SIP) reads what clients write, and lets the ruleset accept the connections that it expects. A client
//! can so open a port from inside. The policy checks each expectation before a connection can use it.

#[cfg(test)]
mod tests;

use ctwarden_sdk::expectation::Expectation;
use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of helper-hygiene.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Helpers that may expect connections, such as "ftp". Default: none.
    #[serde(default)]
    pub helpers: Vec<String>,
    /// The lowest port that an expected connection may go to. Default: 1024, so that no helper opens a system service.
    #[serde(default = "Config::lowest_port")]
    pub lowest_port: u16,
    /// Whether an expected connection must go to one of the two hosts of its control connection. Leave this false if the
    /// servers are behind destination NAT, because their address is then another one. Default: false.
    #[serde(default)]
    pub same_hosts: bool,
    /// Whether the control connection of a refused expectation ends as well. Default: false.
    #[serde(default)]
    pub end_control: bool,
}

impl Config {
    const fn lowest_port() -> u16 {
        1024
    }
}

/// The policy.
#[derive(Debug)]
pub struct HelperHygiene {
    config: Config,
}

/// What the policy looks at in an expectation.
#[derive(Clone, Copy, Debug)]
struct Expected<'a> {
    helper: Option<&'a str>,
    protocol: Protocol,
    to: Endpoints,
    /// Bits of `to` that are known.
    mask: Endpoints,
    master: Endpoints,
}

impl Policy for HelperHygiene {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Alert, VerdictKind::Delete];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("helper", "The helper may not expect connections."),
        ReasonCode::new("low-port", "The helper expects a connection to a port that is too low."),
        ReasonCode::new(
            "other-host",
            "The helper expects a connection to a host that is not part of the control connection.",
        ),
    ];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if let Some(empty) = config.helpers.iter().position(String::is_empty) {
            return Err(
                format!("helpers: number {} is empty; write the name of a helper, such as ftp", empty + 1).into()
            );
        }
        Ok(Self { config })
    }

    fn subscription(&self) -> Subscription {
        Subscription::to(&[Kind::New, Kind::Row])
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        Verdicts::none()
    }
}

impl Expectations for HelperHygiene {
    fn judge_expectation(&mut self, expectation: &Expectation) -> Verdicts {
        let master = expectation.master();
        let expected = Expected {
            helper: expectation.helper(),
            protocol: expectation.protocol(),
            to: expectation.expected(),
            mask: expectation.mask(),
            master: master.endpoints,
        };
        let Some((code, why)) = self.fault(expected) else { return Verdicts::none() };
        let source = master.endpoints.src;
        let alert = alert(why.clone()).key(format!("{code} {source}")).field("source", source);
        let verdicts = Verdicts::none().and(delete().because(code, why.clone()));
        let verdicts = verdicts.and(alert.because(code, why.clone()));
        if !self.config.end_control {
            return verdicts;
        }
        let control = Filter::new().protocol(master.protocol).zone(expectation.zone());
        let control = control.from(source).to(master.endpoints.dst);
        let control = control.src_port(master.endpoints.src_port).dst_port(master.endpoints.dst_port);
        verdicts.and(delete().on(control).because(code, why))
    }
}

impl HelperHygiene {
    /// Returns what is wrong with the expectation. `None`: it may stay.
    fn fault(&self, expected: Expected<'_>) -> Option<(&'static str, String)> {
        let Expected { helper, protocol, to, mask, master } = expected;
        let name = helper.unwrap_or("without a name");
        // SIP names its helpers by port: sip, sip-20000.
        let allowed = |allowed: &String| {
            helper.is_some_and(|name| {
                name.strip_prefix(allowed.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            })
        };
        if !self.config.helpers.iter().any(allowed) {
            return Some(("helper", format!("the helper {name} may not expect connections")));
        }
        let port_is_known = mask.dst_port == u16::MAX && protocol.has_ports();
        if port_is_known && to.dst_port < self.config.lowest_port {
            let lowest = self.config.lowest_port;
            return Some(("low-port", format!("the helper {name} expects port {}, below {lowest}", to.dst_port)));
        }
        if self.config.same_hosts && ![master.src, master.dst].contains(&to.dst) {
            let (src, dst) = (master.src, master.dst);
            return Some(("other-host", format!("the helper {name} expects {}, not {src} or {dst}", to.dst)));
        }
        None
    }
}

export!(HelperHygiene with expectations);
