//! What an operator writes under `[plugin.config]`; the comments are what `ctwarden check` shows.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of connection-cap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How many connections one source may have at a time.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// What is done about a connection over the limit, beside an alert. Default: alert only.
    #[serde(default)]
    pub action: Overrun,
    /// Name of the block set that sources over the limit are put into, with action = "block"; `block-sets` must grant it.
    pub block_set: Option<String>,
    /// How long they stay in it: seconds or a time such as "1h"; 0 or -1: until somebody takes them out. Default: 600.
    #[serde(default = "Config::block_seconds")]
    pub block_seconds: Lifetime,
    /// Which connections are counted. Default: all.
    #[serde(default)]
    pub count: Count,
    /// Only connections of these protocols are counted. Default: all protocols.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Only connections to these ports are counted. Default: all.
    #[serde(default)]
    pub ports: Vec<Ports>,
    /// Sources that may have any number.
    #[serde(default)]
    pub exempt: Vec<Prefix>,
    /// IPv4 addresses that share so many first bits are one source. Default: 32, each address is one.
    #[serde(default = "Config::ipv4_prefix_length")]
    #[schemars(range(min = 1, max = 32))]
    pub ipv4_prefix_length: u8,
    /// IPv6 addresses that share so many first bits are one source. Default: 64, what one customer has at least.
    #[serde(default = "Config::ipv6_prefix_length")]
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix_length: u8,
    /// Seconds between two alerts about the same source. Default: 60.
    #[serde(default = "Config::alert_seconds")]
    pub alert_seconds: u32,
    /// Seconds between sweeps that count anew; 0: only at start and after lost events. Default: 300.
    #[serde(default = "Config::sweep_seconds")]
    pub sweep_seconds: u32,
    /// How many connections are kept count of, all sources together; one takes 75 to 130 bytes of the plugin's memory.
    /// Those beyond are let through uncounted, with an alert. Default: 131072.
    #[serde(default = "Config::max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: u32,
}

/// What is done about a connection over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overrun {
    /// Nothing more than an alert.
    #[default]
    Alert,
    /// The newest connection, the one over the limit, is deleted.
    Delete,
    /// The same, and the source is put into the block set.
    Block,
}

/// Which connections are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// All of them.
    #[default]
    All,
    /// Those that were answered: floods with forged senders are not held against the sender.
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
