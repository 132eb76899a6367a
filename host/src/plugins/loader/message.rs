//! The messages between the daemon and the process that loads a component, and the limits of each step.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ctwarden_model::{Descriptor, TableStatistics, VerdictKind, VerdictKinds};
use serde::{Deserialize, Serialize};

use crate::config::{self, Period, Size};

/// Memory besides the plugin's own for all steps after compiling: the schema, the configuration, the runtime.
const BESIDE: u64 = 256 << 20;

/// The job of the process. The component follows as payload, then the configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoaderJob {
    pub(super) name: String,
    /// Whether to compile the component; otherwise the code is already there.
    pub(super) compile: bool,
    pub(super) limits: config::Limits,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Phase {
    /// The bytes of the component are compiled to code.
    Compile,
    /// The policy returns its descriptor.
    Describe,
    /// The configuration is checked against the schema.
    Check,
    Configure,
}

impl Phase {
    /// Processor time that the step may take. The calls have lower limits of their own, whose errors are more precise.
    /// These limits end the host's work for the call.
    pub(super) fn cpu(self, limits: &config::Limits) -> Duration {
        match self {
            Self::Compile => limits.load_cpu,
            Self::Describe | Self::Check => Duration::from_secs(4),
            // The start of the plugin is a call as well.
            Self::Configure => limits.call_cpu.saturating_mul(2).saturating_add(Duration::from_secs(3)),
        }
    }

    /// Wall-clock time of the step, for a machine with other load.
    pub(super) fn wall(self, limits: &config::Limits) -> Duration {
        match self {
            Self::Compile => limits.load_cpu.saturating_mul(2).saturating_add(Duration::from_secs(20)),
            Self::Describe | Self::Check => Duration::from_secs(45),
            Self::Configure => limits.call_wall.saturating_mul(2).saturating_add(Duration::from_secs(5)),
        }
    }

    /// Memory that the step may take.
    pub(super) fn memory(self, limits: &config::Limits) -> u64 {
        match self {
            Self::Compile => limits.load_memory,
            Self::Describe | Self::Check | Self::Configure => limits.memory.saturating_add(BESIDE),
        }
    }

    /// Describes the step, for the beginning of a sentence.
    pub(super) const fn doing(self) -> &'static str {
        match self {
            Self::Compile => "compiling it",
            Self::Describe => "asking it to describe itself",
            Self::Check => "checking its [plugin.config] against its schema",
            Self::Configure => "configuring it",
        }
    }

    /// The remedy if the step exceeded a limit.
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
                "shorten its [plugin.config], or raise call-cpu and memory in its [plugin.limits]".to_owned()
            }
        }
    }
}

/// A message of the process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromLoader {
    Begins(Phase),
    /// The plugin calls an import; a value may be the payload. An answer must follow.
    Asks(Question),
    /// The plugin wrote a line.
    Wrote(Stream, String),
    /// The process is done, or these problems were found.
    Ends(Result<Described, Vec<String>>),
}

/// Which of its two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stream {
    Output,
    Error,
}

/// A question that a plugin may ask while it is configured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// A call of `sets.lookup`.
    Lookup { set: String, addresses: Vec<IpAddr> },
    /// A call of `table.read`.
    Table,
    /// A call of `memory.get`.
    Get(String),
    /// A call of `memory.set` with a lifetime in seconds; the value is the payload.
    Set { key: String, lifetime: Option<u32> },
    /// A call of `memory.remove`.
    Remove(String),
    /// A call of `memory.keys`.
    Keys(String),
}

/// The answer to a question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Values(Result<Vec<Option<String>>, String>),
    /// Answer to a reading of the table.
    Table(Option<Statistics>),
    /// Whether there is a value, which is the payload.
    Found(bool),
    /// The result of a change; the error is a text for the plugin.
    Done(Result<(), String>),
    Keys(Vec<String>),
}

/// [`TableStatistics`] in serialized form.
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

/// A policy's descriptor without the schema, which is no longer needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    /// Name that the policy gives itself. The configuration may give it another.
    pub(crate) name: String,
    pub(crate) version: String,
    /// Summary of the policy in one line.
    pub(crate) summary: String,
    wants: Vec<String>,
    /// Codes that the policy declares, whatever its configuration.
    codes: BTreeSet<String>,
}

impl Described {
    /// Codes that the policy declares, whatever its configuration.
    pub(crate) const fn codes(&self) -> &BTreeSet<String> {
        &self.codes
    }

    /// Kinds of verdicts that the policy may return.
    pub(crate) fn wants(&self) -> VerdictKinds {
        VerdictKind::ALL.into_iter().filter(|kind| self.wants.iter().any(|name| name == kind.name())).collect()
    }
}

impl From<Descriptor> for Described {
    fn from(descriptor: Descriptor) -> Self {
        let wants = descriptor.wants.iter().map(|kind| kind.name().to_owned()).collect();
        let codes = descriptor.codes.into_iter().map(|code| code.code).collect();
        Self { name: descriptor.name, version: descriptor.version, summary: descriptor.summary, wants, codes }
    }
}
