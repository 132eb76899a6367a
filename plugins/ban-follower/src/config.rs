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
    /// Name of the block set into which the policy puts banned addresses before it ends their flows. `block-sets` must
    /// grant it. Without a block set, the policy only ends flows, and the next packet may begin them again.
    pub block_set: Option<String>,
    /// How long an address stays in the block set if its ban has no end: seconds, or a time such as "1h". 0 or -1:
    /// until it is unbanned. A banned address that comes back after that time is blocked again. Default: 3600.
    pub block_seconds: Lifetime,
    /// Whether bans by message survive restarts. Default: true.
    pub remember: bool,
    /// Maximum number of bans by message, so that a faulty sender does not fill the memory. Default: 10000.
    #[schemars(range(min = 1))]
    pub max_bans: u32,
    /// Shortest IPv4 prefix that a message may ban, so that a typing error does not ban half the world. Default: 16,
    /// which is also the default of the host's limit on blocks.
    #[schemars(range(max = 32))]
    pub shortest_ipv4_prefix: u8,
    /// Shortest IPv6 prefix that a message may ban. Default: 32, which is also the default of the host's limit on
    /// blocks.
    #[schemars(range(max = 128))]
    pub shortest_ipv6_prefix: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            never: Vec::new(),
            protocols: Vec::new(),
            ports: Vec::new(),
            block_set: None,
            block_seconds: Lifetime::from_secs(3600),
            remember: true,
            max_bans: 10_000,
            shortest_ipv4_prefix: 16,
            shortest_ipv6_prefix: 32,
        }
    }
}

impl Config {
    /// Returns the filter for the flows that the policy may end. It narrows the subscription and the bans by message.
    pub(crate) fn scope(&self) -> Filter {
        let protocols = self.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        self.ports.iter().fold(protocols, |filter, ports| filter.dst_port(*ports))
    }
}
