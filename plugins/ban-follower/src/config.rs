//! What an operator writes under `[plugin.config]`; the comments are what `ctwarden check` shows.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of ban-follower.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Names of the address sets whose addresses are banned; `read-sets` must grant them.
    pub sets: Vec<String>,
    /// Addresses and networks that are never banned, whatever a set or a message says.
    pub never: Vec<Prefix>,
    /// Only flows of these protocols are ended. Default: all protocols.
    pub protocols: Vec<Protocol>,
    /// Only flows to these ports are ended: the port that the first packet was sent to. Default: all flows.
    pub ports: Vec<Ports>,
    /// Name of the block set that banned addresses are put into before their flows are ended; `block-sets` must grant it.
    /// Without it flows are ended, and the next packet may begin them anew.
    pub block_set: Option<String>,
    /// How long an address stays in the block set where its ban has no end of its own: seconds or a time such as "1h"; 0 or
    /// -1: until it is unbanned. A banned address that comes back after that is blocked again. Default: 3600.
    pub block_seconds: Lifetime,
    /// Whether bans by message are kept over restarts. Default: true.
    pub remember: bool,
    /// How many bans by message there may be, so that a sender that runs wild does not fill the memory. Default: 10000.
    #[schemars(range(min = 1))]
    pub max_bans: u32,
    /// Shortest IPv4 prefix that a message may ban, so that a slip of the finger does not ban half the world. Default: 16, the widest that the host blocks unless told otherwise.
    #[schemars(range(max = 32))]
    pub shortest_ipv4_prefix: u8,
    /// Shortest IPv6 prefix that a message may ban. Default: 32, likewise.
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
    /// The flows that may be ended at all: what is subscribed to, and what a ban by message is narrowed to.
    pub(crate) fn scope(&self) -> Filter {
        let protocols = self.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        self.ports.iter().fold(protocols, |filter, ports| filter.dst_port(*ports))
    }
}
