//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of table-pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// From this fill of the table on, in percent of `nf_conntrack_max`, the policy deletes flows. Default: 90.
    #[serde(default = "Config::delete_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub delete_percent: u32,
    /// From this fill with flows that the kernel cannot evict, in percent, the policy tells people. Default: 80.
    #[serde(default = "Config::alert_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub alert_percent: u32,
    /// How many flows of each class one tick deletes at most. Default: 1000.
    #[serde(default = "Config::at_most")]
    #[schemars(range(min = 1))]
    pub at_most: std::num::NonZeroU32,
    /// Seconds between two looks at the table. Default: 5.
    #[serde(default = "Config::tick_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub tick_seconds: u32,
    /// Least time between two sweeps that count what the kernel cannot evict, in seconds. Default: 60.
    #[serde(default = "Config::count_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub count_seconds: u32,
}

impl Config {
    const fn delete_percent() -> u32 {
        90
    }

    const fn alert_percent() -> u32 {
        80
    }

    const fn at_most() -> std::num::NonZeroU32 {
        std::num::NonZeroU32::MIN.saturating_add(999)
    }

    const fn tick_seconds() -> u32 {
        5
    }

    const fn count_seconds() -> u32 {
        60
    }
}
