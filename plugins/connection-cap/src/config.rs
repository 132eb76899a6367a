//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of connection-cap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How many connections one source may have at a time.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// What the policy does about a connection over the limit, in addition to an alert. Default: only the alert.
    #[serde(default)]
    pub action: Overrun,
    /// Name of the block set into which the policy puts sources over the limit, with action = "block". `block-sets`
    /// must grant it.
    pub block_set: Option<String>,
    /// How long a source stays in the block set: seconds, or a time such as "1h". 0 or -1: until somebody removes it.
    /// Default: 600.
    #[serde(default = "Config::block_seconds")]
    pub block_seconds: Lifetime,
    /// Which connections count. Default: all.
    #[serde(default)]
    pub count: Count,
    /// Only connections of these protocols count. Default: all protocols.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Only connections to these ports count. Default: all ports.
    #[serde(default)]
    pub ports: Vec<Ports>,
    /// Sources that may have any number of connections.
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
    /// Seconds between two alerts about the same source. Default: 60.
    #[serde(default = "Config::alert_seconds")]
    pub alert_seconds: u32,
    /// Seconds between sweeps that count again. 0: only at the start and after lost events. Default: 300.
    #[serde(default = "Config::sweep_seconds")]
    pub sweep_seconds: u32,
    /// Maximum number of counted connections, all sources together. Each takes 75 to 130 bytes of the plugin's memory.
    /// Connections beyond it pass uncounted, with an alert. Default: 131072.
    #[serde(default = "Config::max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: u32,
}

/// What the policy does about a connection over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overrun {
    /// Only raises an alert.
    #[default]
    Alert,
    /// Also deletes the newest connection, which is the one over the limit.
    Delete,
    /// Also deletes that connection and puts the source into the block set.
    Block,
}

/// Which connections count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// All connections count.
    #[default]
    All,
    /// Only connections that were answered count, so that floods with forged senders do not count against the sender.
    Replied,
}

impl Config {
    const fn block_seconds() -> Lifetime {
        Lifetime::from_secs(600)
    }

    const fn ipv4_prefix_length() -> u8 {
        32
    }

    const fn ipv6_prefix_length() -> u8 {
        64
    }

    const fn alert_seconds() -> u32 {
        60
    }

    const fn sweep_seconds() -> u32 {
        300
    }

    const fn max_connections() -> u32 {
        131_072
    }
}
