//! Plugins as the engine sees them: description, subscription, grants and faults.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::{CounterSpec, EventKinds, Filter, SetName, VerdictKinds};

/// Name of a plugin in the configuration, in records and in counters. Clones share the text, because each record holds
/// a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(Arc<str>);

/// The text is not a valid plugin name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a name: use 1 to 64 letters, digits or -, beginning with a letter")]
pub struct NameError(pub String);

impl PluginName {
    /// A name of 1 to 64 ASCII letters, digits or `-`, beginning with a letter.
    ///
    /// # Errors
    /// Returns [`NameError`] for any other text.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if letters && begins && name.len() <= 64 { Ok(Self(name.into())) } else { Err(NameError(name.to_string())) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The plugin's description of itself (WIT `descriptor`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The policy's own name. The configuration may use another.
    pub name: String,
    pub version: String,
    /// One line that tells people what the policy does.
    pub summary: String,
    /// JSON Schema of its configuration. `None` means that it takes no configuration.
    pub configuration_schema: Option<String>,
    /// Kinds of verdicts that it may return, with any configuration.
    pub wants: VerdictKinds,
    /// Codes that its verdicts may have, with any configuration.
    pub codes: Vec<ReasonCode>,
}

/// A code of verdicts (WIT `reason-code`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCode {
    pub code: String,
    /// What the code means, for people.
    pub meaning: String,
}

/// How far the verdicts of a configuration go, and which address sets the plugin looks up (WIT `reach`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Mark bits that its verdicts change.
    pub mark_bits: u32,
    /// Label bits that its verdicts change.
    pub label_bits: u128,
    /// nftables sets that its verdicts name.
    pub block_sets: BTreeSet<SetName>,
    /// Address sets that it looks up or names in filters.
    pub read_sets: BTreeSet<SetName>,
}

/// What the plugin asks the host to deliver (WIT `subscription`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Kinds of verdicts that it will return with its configuration: a subset of [`Descriptor::wants`].
    pub needs: VerdictKinds,
    /// How far these verdicts go.
    pub reach: Reach,
    pub kinds: EventKinds,
    /// Alternative filters. An empty list subscribes to every flow.
    pub filters: Vec<Filter>,
    /// Time between sweeps. `None` means only at the start, after lost events, and on request.
    pub sweep_every: Option<Duration>,
    /// Time between ticks. `None` means no ticks.
    pub tick_every: Option<Duration>,
    /// Whether to deliver events that ctwarden's own verdicts caused.
    pub own_changes: bool,
    /// Counters that the host keeps for the plugin. Each has a name of its own.
    pub counters: Vec<CounterSpec>,
    /// Address sets whose changes the host reports to the plugin.
    pub sets: Vec<SetName>,
    /// Whether its verdicts name flows by filters, which makes a replica of the table worthwhile.
    pub selects: bool,
    /// Codes that its verdicts have with its configuration, besides [`Descriptor::codes`].
    pub codes: BTreeSet<String>,
    /// Whether the component exports `expectations`.
    pub expectations: bool,
    /// Whether the component exports `outcomes`.
    pub outcomes: bool,
}

impl Subscription {
    /// All address sets that need a grant: those that the plugin looks up and those whose changes it asks for.
    #[must_use]
    pub fn read_sets(&self) -> BTreeSet<SetName> {
        self.reach.read_sets.iter().chain(&self.sets).cloned().collect()
    }
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// All checks and records as in `Enforce`, but no effects.
    #[default]
    Observe,
    /// The host carries out verdicts.
    Enforce,
}

impl Mode {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What the operator grants. The host carries out only what the plugin asks for and the operator grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub kinds: VerdictKinds,
    /// Mark bits that the plugin may change.
    pub mark_mask: u32,
    /// Label bits that the plugin may change.
    pub label_mask: u128,
    /// nftables sets whose networks the plugin may add and remove.
    pub block_sets: BTreeSet<SetName>,
    /// Address sets that the plugin may look up.
    pub read_sets: BTreeSet<SetName>,
}

/// How a call of a plugin failed. The verdicts of the failed call are void.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("trapped: {0}")]
    Trap(String),
    /// The plugin panicked. The text is what it wrote.
    #[error("panicked: {0}")]
    Panic(String),
    /// The call used more processor time than one call may.
    #[error("used more than {limit:?} of processor time in one call")]
    OutOfTime {
        /// Processor time that one call may use.
        limit: Duration,
    },
    /// The call slept or waited longer than one call may take.
    #[error("did not return within {limit:?}")]
    Stuck {
        /// Time that one call may take.
        limit: Duration,
    },
    /// The plugin asked for more memory than it may have.
    #[error("needed more than its limit of {limit} bytes of memory")]
    OutOfMemory {
        /// Limit of its memory in bytes.
        limit: u64,
    },
    /// One call returned more than it may.
    #[error("returned {returned} {what} in one call, more than the allowed {limit}")]
    TooMuch {
        /// What is counted, such as verdicts or bytes of text.
        what: &'static str,
        returned: u64,
        /// Number that one call may return.
        limit: u64,
    },
    /// The component called `exit`.
    #[error("exited with status {0}")]
    Exited(i32),
    /// The plugin refused a configuration that it had accepted before.
    #[error("refused its configuration: {0}")]
    Configuration(String),
}

impl Fault {
    /// Name in records and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Panic(_) => "panic",
            Self::OutOfTime { .. } => "out-of-time",
            Self::Stuck { .. } => "stuck",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::TooMuch { .. } => "too-much",
            Self::Exited(_) => "exited",
            Self::Configuration(_) => "configuration",
        }
    }
}
