//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of lateral-movement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Networks whose hosts should not administer each other. Both ends of a connection must be in them.
    #[schemars(length(min = 1))]
    pub internal: Vec<Prefix>,
    /// Ports of management services. Default: SSH, RPC, NetBIOS, SMB, RDP, WinRM.
    #[serde(default = "Config::ports")]
    pub ports: Vec<Ports>,
    /// Hosts that may reach any other, such as a jump host or a scanner.
    #[serde(default)]
    pub exempt: Vec<Prefix>,
    /// How long the policy only learns which host reaches which, in seconds. Default: 604800, one week.
    #[serde(default = "Config::learn_seconds")]
    pub learn_seconds: u32,
    /// After this time without a connection, a pair is new again, in seconds. Default: 2592000, thirty days.
    #[serde(default = "Config::forget_seconds")]
    #[schemars(range(min = 60))]
    pub forget_seconds: u32,
    /// What the policy does about a new pair, in addition to an alert. Default: only the alert.
    #[serde(default)]
    pub action: Reaction,
}

/// What the policy does about a new pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Only raises an alert.
    #[default]
    Alert,
    /// Also deletes the flow, each time: a pair that was deleted does not become a known one.
    Delete,
}

impl Config {
    fn ports() -> Vec<Ports> {
        [22..=22, 135..=139, 445..=445, 3389..=3389, 5985..=5986].map(Ports::from).to_vec()
    }

    const fn learn_seconds() -> u32 {
        604_800
    }

    const fn forget_seconds() -> u32 {
        2_592_000
    }
}
