//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of port-scan.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How many distinct targets one source may try within the window. At most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// Length of the window in seconds. Default: 60.
    #[serde(default = "Config::window_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub window_seconds: u32,
    /// What a target is. Default: a port.
    #[serde(default)]
    pub count: Target,
    /// What the policy does about a source over the limit, in addition to an alert. Default: only the alert.
    #[serde(default)]
    pub action: Reaction,
    /// Name of the block set into which the policy puts sources over the limit, with action = "block". `block-sets`
    /// must grant it.
    pub block_set: Option<String>,
    /// How many seconds a source stays in the block set the first time. Each further time within a day doubles it.
    /// Default: 600.
    #[serde(default = "Config::block_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub block_seconds: u32,
    /// The longest that a source stays in the block set, in seconds. Default: 43200.
    #[serde(default = "Config::longest_block_seconds")]
    #[schemars(range(min = 1))]
    pub longest_block_seconds: u32,
    /// Only connections of these protocols count. Default: all protocols with ports.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Sources that may try any number of targets, such as a monitoring host.
    #[serde(default)]
    pub exempt: Vec<Prefix>,
    /// IPv4 addresses with this many equal first bits are one source. Default: 32, so that each address is one source.
    #[serde(default = "Config::ipv4_prefix_length")]
    #[schemars(range(min = 1, max = 32))]
    pub ipv4_prefix_length: u8,
    /// IPv6 addresses with this many equal first bits are one source. Default: 64, the smallest network that a customer
    /// usually has.
    #[serde(default = "Config::ipv6_prefix_length")]
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix_length: u8,
}

/// What a source tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A protocol and port, whatever the address: a scan of one host or of many.
    #[default]
    Ports,
    /// An address, whatever the port: a search for hosts.
    Addresses,
    /// An address with protocol and port.
    Services,
}

impl Target {
    /// The name for people, in the plural.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ports => "ports",
            Self::Addresses => "addresses",
            Self::Services => "services",
        }
    }
}

/// What the policy does about a source over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Only raises an alert.
    #[default]
    Alert,
    /// Also puts the source into the block set.
    Block,
}

impl Config {
    /// The most distinct targets that the limit may name. The host tells no more than 1,024 apart.
    pub const LIMIT_MAX: u32 = 1_000;

    const fn window_seconds() -> u32 {
        60
    }

    const fn block_seconds() -> u32 {
        600
    }

    const fn longest_block_seconds() -> u32 {
        43_200
    }

    const fn ipv4_prefix_length() -> u8 {
        32
    }

    const fn ipv6_prefix_length() -> u8 {
        64
    }
}
