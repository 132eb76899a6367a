//! What rules decide.

use ctwarden_net::{Masked, Prefix};

/// What a rule decides about a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Place of the flow in its batch.
    pub place: usize,
    /// Index of the rule.
    pub rule: usize,
    /// What is to be done.
    pub action: Action,
    /// Text for people; may be empty.
    pub reason: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the tracking of the flow.
    Delete,
    /// End the connection of the flow.
    Kill,
    /// Change the mark.
    Mark(Masked),
    /// Set and clear label bits.
    Labels {
        /// Bits to set.
        set: u128,
        /// Bits to clear.
        clear: u128,
    },
    /// Let the flow expire in this many seconds.
    Timeout(u32),
    /// Put a network into a set.
    Block {
        /// Name of the set.
        set: String,
        /// The network.
        network: Prefix,
        /// For how long.
        seconds: u32,
    },
    /// Alert people.
    Alert {
        /// The title.
        title: String,
        /// Number of the severity.
        severity: u8,
        /// Alerts with the same key are one alert.
        key: String,
        /// Names and values.
        fields: Vec<(String, String)>,
    },
    /// Write a record.
    Log(Vec<(String, String)>),
}
