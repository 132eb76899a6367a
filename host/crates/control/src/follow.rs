//! The request that follows records, and its first answer.
//!
//! The daemon answers with [`Following`] and then writes one record a line, in the form of the JSON sink, until the
//! client closes the connection. A client that reads too slowly loses records. A line `records-lost` counts them.

use serde::{Deserialize, Serialize};

/// Which records a client wants to see. Lists that are empty match every record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// Names of plugins. Records without a plugin do not match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<String>,
    /// Kinds of verdicts, such as `delete`, or `fault` and `notice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Names of outcomes. Records without an outcome do not match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<String>,
    /// Addresses and networks that a record must name: as an end of its flow, or as the network of a block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Whether begins and ends of flows are told too. Only `addresses` selects among them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flows: bool,
    /// How many of the matching records in memory come first. Without it and `since_ms`, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Records in memory since this time come first: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Whether the daemon closes the connection after the records in memory.
    #[serde(default, rename = "kept-only", skip_serializing_if = "std::ops::Not::not")]
    pub kept_only: bool,
}

/// The answer to [`Follow`], before the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// Time of the oldest record in memory, as RFC 3339; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Whether older records are no longer in memory.
    #[serde(default)]
    pub forgotten: bool,
}
