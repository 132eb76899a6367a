//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of ban-follower.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Names of the address sets whose addresses are banned. `read-sets` must grant them.
    pub sets: Vec<String>,
    /// Addresses and networks that are never banned, whatever a set or a message says.
    pub never: Vec<Prefix>,
    /// Ends only flows of these protocols. Default: all protocols.
    pub protocols: Vec<Protocol>,
    /// Ends only flows whose first packet was sent to one of these ports. Default: all flows.
    pub ports: Vec<Ports>,
    /// Name of the set of the firewall into which messages put addresses. `block-sets` must grant it. Without it, a
    /// message can end flows and ban nobody.
    pub block_set: Option<String>,
    /// How flows end: `"delete"` (default) or `"kill"`.
    pub action: Action,
    /// Shortest IPv4 prefix that a message may name, so that a typing error does not ban half the world. Default: 16,
    /// which is also the default of the host's limit on blocks.
    #[schemars(range(max = 32))]
    pub shortest_ipv4_prefix: u8,
    /// Shortest IPv6 prefix that a message may name. Default: 32, which is also the default of the host's limit on
    /// blocks.
    #[schemars(range(max = 128))]
    pub shortest_ipv6_prefix: u8,
}

/// How flows end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Deletes the entry of the flow. The firewall keeps further packets out.
    #[default]
    Delete,
    /// Also closes the sockets of the connection, or blocks its packets for a minute.
    Kill,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            never: Vec::new(),
            protocols: Vec::new(),
            ports: Vec::new(),
            block_set: None,
            action: Action::Delete,
            shortest_ipv4_prefix: 16,
            shortest_ipv6_prefix: 32,
        }
    }
}

impl Config {
    /// Returns the filter for the flows that the policy may end. It narrows the subscription, and what messages end.
    pub(crate) fn scope(&self) -> Filter {
        let protocols = self.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        self.ports.iter().fold(protocols, |filter, ports| filter.dst_port(*ports))
    }
}
