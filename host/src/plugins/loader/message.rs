//! What the daemon and the process that loads a component say to each other, and the limits of each step.

use std::net::IpAddr;
use std::time::Duration;

use ctwarden_model::{Descriptor, TableStatistics, VerdictKind, VerdictKinds};
use serde::{Deserialize, Serialize};

use crate::config::{self, Period, Size};

/// Memory beside the plugin's own for all that comes after compiling: the schema, the configuration, the runtime.
const BESIDE: u64 = 256 << 20;

/// What is to be done. The component follows as payload, then the configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) name: String,
    /// Whether it is to be compiled; else the code is there.
    pub(super) compile: bool,
    pub(super) limits: config::Limits,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Bytes become code.
    Compile,
    /// It says who it is.
    Describe,
    /// The configuration is held against the schema.
    Check,
    Configure,
}

impl Phase {
    /// Processor time that it may take. The calls have limits of their own, which are nearer and whose errors say more; these
    /// here end what the host does for the call.
    pub(super) fn cpu(self, limits: &config::Limits) -> Duration {
        match self {
            Self::Compile => limits.load_cpu,
            Self::Describe | Self::Check => Duration::from_secs(4),
            // Its start is a call as well.
            Self::Configure => limits.call_cpu.saturating_mul(2).saturating_add(Duration::from_secs(3)),
        }
    }

    /// Time by the clock, for a machine that has other things to do.
    pub(super) fn wall(self, limits: &config::Limits) -> Duration {
        match self {
            Self::Compile => limits.load_cpu.saturating_mul(2).saturating_add(Duration::from_secs(20)),
            Self::Describe | Self::Check => Duration::from_secs(45),
            Self::Configure => limits.call_wall.saturating_mul(2).saturating_add(Duration::from_secs(5)),
        }
    }

    /// Memory that it may take.
    pub(super) fn memory(self, limits: &config::Limits) -> u64 {
        match self {
            Self::Compile => limits.load_memory,
            Self::Describe | Self::Check | Self::Configure => limits.memory.saturating_add(BESIDE),
        }
    }

    /// In words, at the beginning of a sentence.
    pub(super) const fn doing(self) -> &'static str {
        match self {
            Self::Compile => "compiling it",
            Self::Describe => "asking it to describe itself",
            Self::Check => "checking its [plugin.config] against its schema",
            Self::Configure => "configuring it",
        }
    }

    /// What to do where it took too much.
    pub(super) fn way_out(self, limits: &config::Limits) -> String {
        match self {
            Self::Compile => format!(
                "if you trust its author and the component is meant to be that large, raise load-cpu ({}) and load-memory ({}) in \
                 its [plugin.limits]",
                Period(limits.load_cpu),
                Size(limits.load_memory)
            ),
            Self::Describe => "do not use it, and tell its author".to_owned(),
            Self::Check => "the schema is at fault: do not use it, and tell its author".to_owned(),
            Self::Configure => {
                "give it less to read in [plugin.config], or raise call-cpu and memory in its [plugin.limits]"
                    .to_owned()
            }
        }
    }
}

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromLoader {
    Begins(Phase),
    /// The plugin asks its host; a value may be the payload. An answer must follow.
    Asks(Question),
    /// The plugin wrote a line.
    Wrote(Stream, String),
    /// All is done, or this is wrong with it.
    Ends(Result<Described, Vec<String>>),
}

/// Which of its two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stream {
    Output,
    Error,
}

/// What a plugin may ask while it is configured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// `sets.lookup`.
    Lookup { set: String, addresses: Vec<IpAddr> },
    /// `table.read`.
    Table,
    /// `memory.get`.
    Get(String),
    /// `memory.set`; the value is the payload.
    Set(String),
    /// `memory.remove`.
    Remove(String),
    /// `memory.keys`.
    Keys(String),
}

/// The answer to each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Values(Result<Vec<Option<String>>, String>),
    /// To a reading of the table.
    Table(Option<Statistics>),
    /// Whether there is a value, which is the payload.
    Found(bool),
    /// It was done or not.
    Done(Result<(), String>),
    Keys(Vec<String>),
}

/// [`TableStatistics`] as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statistics {
    entries: u32,
    maximum: u32,
    insert_failed: u64,
    dropped: u64,
    early_dropped: u64,
    clashes: u64,
    invalid: u64,
}

impl From<TableStatistics> for Statistics {
    fn from(table: TableStatistics) -> Self {
        let TableStatistics { entries, maximum, insert_failed, dropped, early_dropped, clashes, invalid } = table;
        Self { entries, maximum, insert_failed, dropped, early_dropped, clashes, invalid }
    }
}

impl From<Statistics> for TableStatistics {
    fn from(table: Statistics) -> Self {
        let Statistics { entries, maximum, insert_failed, dropped, early_dropped, clashes, invalid } = table;
        Self { entries, maximum, insert_failed, dropped, early_dropped, clashes, invalid }
    }
}

/// Who a policy says it is: its descriptor without the schema, which nobody asks for any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    /// Its own name; the configuration may give it another.
    pub(crate) name: String,
    pub(crate) version: String,
    /// One line for people.
    pub(crate) summary: String,
    wants: Vec<String>,
}

impl Described {
    /// Kinds of verdicts that it may return.
    pub(crate) fn wants(&self) -> VerdictKinds {
        VerdictKind::ALL.into_iter().filter(|kind| self.wants.iter().any(|name| name == kind.name())).collect()
    }
}

impl From<Descriptor> for Described {
    fn from(descriptor: Descriptor) -> Self {
        let wants = descriptor.wants.iter().map(|kind| kind.name().to_owned()).collect();
        Self { name: descriptor.name, version: descriptor.version, summary: descriptor.summary, wants }
    }
}
