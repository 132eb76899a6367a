//! Plugins as the engine sees them: who they are, what they ask, what they are granted, how they fail.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::{EventKinds, Filter, SetName, VerdictKinds};

/// Name of a plugin in the configuration, in records and in counters; shared, for each record names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(Arc<str>);

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a name: use 1 to 64 letters, digits or -, beginning with a letter")]
pub struct NameError(pub String);

impl PluginName {
    /// A name of 1 to 64 ASCII letters, digits or `-`, beginning with a letter.
    ///
    /// # Errors
    /// [`NameError`] where it is something else.
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

/// Who the plugin says it is and what it asks for (WIT `descriptor`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its own name; the configuration may give it another.
    pub name: String,
    pub version: String,
    /// One line for people.
    pub summary: String,
    /// JSON Schema of its configuration; none: it takes none.
    pub configuration_schema: Option<String>,
    /// Kinds of verdicts it may return, whatever its configuration.
    pub wants: VerdictKinds,
}

/// How far the verdicts of a configuration go, and which sets it looks into (WIT `reach`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Mark bits that verdicts change.
    pub mark_bits: u32,
    /// Label bits that verdicts change.
    pub label_bits: u128,
    /// nftables sets that verdicts name.
    pub block_sets: BTreeSet<SetName>,
    /// Address sets that are looked into or named in filters.
    pub read_sets: BTreeSet<SetName>,
}

/// What it wants delivered (WIT `subscription`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Kinds of verdicts that it will return with its configuration; a subset of [`Descriptor::wants`].
    pub needs: VerdictKinds,
    /// How far those go.
    pub reach: Reach,
    pub kinds: EventKinds,
    /// Any of these; empty: every flow.
    pub filters: Vec<Filter>,
    /// Time between sweeps; none: only at start, after a loss and when asked.
    pub sweep_every: Option<Duration>,
    /// Time between ticks; none: no ticks.
    pub tick_every: Option<Duration>,
    /// Whether events that our own verdicts caused are delivered.
    pub own_changes: bool,
    /// Address sets whose change is told.
    pub sets: Vec<SetName>,
    /// Whether its verdicts name flows by filters, so that a replica of the table is worth keeping.
    pub selects: bool,
    /// Whether it exports `expectations`.
    pub expectations: bool,
}

impl Subscription {
    /// All address sets that it has to be granted: those that it looks into and those whose change it is told.
    #[must_use]
    pub fn read_sets(&self) -> BTreeSet<SetName> {
        self.reach.read_sets.iter().chain(&self.sets).cloned().collect()
    }
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Everything but the last step: no effect, the same records.
    #[default]
    Observe,
    /// Verdicts are carried out.
    Enforce,
}

impl Mode {
    /// Name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What the operator grants: the second key to the door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub kinds: VerdictKinds,
    /// Mark bits it may change.
    pub mark_mask: u32,
    /// Label bits it may change.
    pub label_mask: u128,
    /// nftables sets it may put networks into and take them out of.
    pub block_sets: BTreeSet<SetName>,
    /// Address sets it may look into.
    pub read_sets: BTreeSet<SetName>,
}

/// How a plugin failed. The verdicts of the failed call are void.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("trapped: {0}")]
    Trap(String),
    /// It panicked; the text is what it wrote.
    #[error("panicked: {0}")]
    Panic(String),
    /// It computed for longer than one call may.
    #[error("used more than {limit:?} of processor time in one call")]
    OutOfTime {
        /// What one call may use.
        limit: Duration,
    },
    /// It slept or waited for longer than one call may take.
    #[error("did not return within {limit:?}")]
    Stuck {
        /// What one call may take.
        limit: Duration,
    },
    /// It wanted more memory than granted.
    #[error("needed more than its limit of {limit} bytes of memory")]
    OutOfMemory {
        /// Bytes it may have.
        limit: u64,
    },
    /// It returned more than one call may.
    #[error("returned {returned} {what} in one call, more than the allowed {limit}")]
    TooMuch {
        /// Verdicts, bytes of text and the like.
        what: &'static str,
        returned: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// It called `exit`.
    #[error("exited with status {0}")]
    Exited(i32),
    /// It refused its configuration after it had accepted it before.
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
