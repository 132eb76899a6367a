//! Ends TCP connections to ports that nobody may use.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

struct ClosePorts {
    ports: Vec<Ports>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Ports, such as 23 or "6000-6063".
    ports: Vec<Ports>,
}

impl Policy for ClosePorts {
    type Config = Config;
    const WANTS: &[VerdictKind] = &[VerdictKind::Delete];
    const CODES: &[ReasonCode] = &[ReasonCode::new("closed-port", "Nobody may use the destination port.")];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if config.ports.is_empty() {
            return Err("ports: is empty, so the policy would do nothing; name at least one port".into());
        }
        Ok(Self { ports: config.ports })
    }

    fn subscription(&self) -> Subscription {
        // The host delivers the connections to these ports only. Without a filter it would deliver all.
        self.ports
            .iter()
            .fold(Subscription::default(), |wanted, ports| wanted.only(Filter::new().tcp().dst_port(*ports)))
    }

    fn judge(&mut self, _: &Flow) -> Verdicts {
        delete().because("closed-port", "nobody may use this port").into()
    }
}

export!(ClosePorts);

#[cfg(test)]
mod tests {
    use super::*;
    use ctwarden_sdk::testing::{flow, json, start};

    #[test]
    fn a_connection_to_a_closed_port_is_ended_and_no_other() {
        let mut policy = start::<ClosePorts>(json!({ "ports": [23, "6000-6063"] })).unwrap();
        let to = |port: u16| flow().tcp().from("192.0.2.1:4000").to(format!("198.51.100.7:{port}").as_str());
        let answer = policy.sweep([to(22), to(23).established(), to(6001)]);
        assert_eq!(
            answer.lines(),
            [
                "delete on entry 0: closed-port: nobody may use this port",
                "delete on entry 1: closed-port: nobody may use this port",
            ],
            "the harness delivers what the subscription asks for",
        );
    }

    #[test]
    fn a_configuration_without_ports_is_refused() {
        assert!(start::<ClosePorts>(json!({ "ports": [] })).is_err());
    }
}
