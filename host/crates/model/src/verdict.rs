//! Verdicts as plugins return them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Filter, FlowKey, Masked, Prefix, Refusal, Service};

/// Name of an operator-named nftables set or address set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName(pub String);

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every flow that matches a filter, up to a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub filter: Filter,
    /// Maximum number of flows. `None` means no limit.
    pub limit: Option<u32>,
}

/// What a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index in the batch that the plugin answered.
    Entry(u32),
    /// A flow that the plugin knows from an earlier batch.
    Key(FlowKey),
    /// Every flow that matches when the verdict is carried out.
    Matching(Box<Selection>),
    /// Nothing in the table.
    None,
}

/// Label bits to set and to clear. A bit in both masks is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelChange {
    pub set: u128,
    pub clear: u128,
}

impl LabelChange {
    /// Both changes as one. `later` wins for the bits that both changes touch.
    #[must_use]
    pub const fn then(self, later: Self) -> Self {
        Self { set: self.set & !later.clear | later.set, clear: self.clear & !later.set | later.clear & !later.set }
    }

    #[must_use]
    pub const fn mask(self) -> u128 {
        self.set | self.clear
    }
}

/// Names and values that programs read.
pub type Fields = Vec<(String, String)>;

/// A message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Severity as in syslog (RFC 5424): 0 is emergency, 7 is debug.
    pub severity: u8,
    pub title: String,
    /// Alerts with the same key count as one alert.
    pub key: String,
    pub fields: Fields,
}

/// A network to add to a block set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub set: SetName,
    pub network: Prefix,
    /// `None` means all traffic of the network.
    pub service: Option<Service>,
    /// Lifetime in seconds. `None` means until an unblock.
    pub seconds: Option<u32>,
}

/// A network to remove from a block set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unblock {
    pub set: SetName,
    pub network: Prefix,
    /// As in [`Block`].
    pub service: Option<Service>,
}

/// What a verdict asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the tracking of the flow.
    Delete,
    /// Ends the connection, then the tracking of the flow.
    Kill,
    Mark(Masked),
    Labels(LabelChange),
    /// Seconds until the flow expires.
    Timeout(u32),
    Alert(Alert),
    /// Writes a record with names and values.
    Log(Fields),
    Block(Block),
    Unblock(Unblock),
    /// No plugin may change or end the flow for this many seconds.
    Protect(u32),
    /// Delivers matching flows as dump entries to the plugin that asks.
    Sweep,
    /// A flawed verdict of this kind. The host never carries it out, and refuses it as [`Flaw::refusal`] says. If the
    /// target is flawed, the target is [`Target::None`].
    Malformed(VerdictKind, Flaw),
}

/// What is wrong with a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A value is out of its range. The text says which.
    Value(&'static str),
    /// The verdict's filter names a set that does not exist or is not granted. The text names the set.
    Set(String),
}

impl Flaw {
    /// The refusal with which such a verdict ends.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Value(what) => Refusal::Malformed(what),
            Self::Set(_) => Refusal::NoSuchSet,
        }
    }
}

impl From<&'static str> for Flaw {
    fn from(value: &'static str) -> Self {
        Self::Value(value)
    }
}

impl Action {
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Delete => VerdictKind::Delete,
            Self::Kill => VerdictKind::Kill,
            Self::Mark(_) => VerdictKind::Mark,
            Self::Labels(_) => VerdictKind::Labels,
            Self::Timeout(_) => VerdictKind::Timeout,
            Self::Alert(_) => VerdictKind::Alert,
            Self::Log(_) => VerdictKind::Log,
            Self::Block(_) => VerdictKind::Block,
            Self::Unblock(_) => VerdictKind::Unblock,
            Self::Protect(_) => VerdictKind::Protect,
            Self::Sweep => VerdictKind::Sweep,
            Self::Malformed(kind, _) => *kind,
        }
    }
}

/// Kind of a verdict: the unit of requests and grants. Each variant is the kind of the [`Action`] of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictKind {
    Delete,
    Kill,
    Mark,
    Labels,
    Timeout,
    Alert,
    Log,
    Block,
    Unblock,
    Protect,
    Sweep,
}

impl VerdictKind {
    /// All kinds, in the order of the WIT flags.
    pub const ALL: [Self; 11] = [
        Self::Delete,
        Self::Kill,
        Self::Mark,
        Self::Labels,
        Self::Timeout,
        Self::Alert,
        Self::Log,
        Self::Block,
        Self::Unblock,
        Self::Protect,
        Self::Sweep,
    ];

    /// The row of the kind in tables with one row for each of [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name in configuration, records and the WIT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Kill => "kill",
            Self::Mark => "mark",
            Self::Labels => "labels",
            Self::Timeout => "timeout",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Protect => "protect",
            Self::Sweep => "sweep",
        }
    }

    /// Whether a verdict of this kind changes the kernel's state.
    #[must_use]
    pub const fn touches_kernel(self) -> bool {
        match self {
            Self::Delete | Self::Kill | Self::Mark | Self::Labels | Self::Timeout | Self::Block | Self::Unblock => true,
            Self::Alert | Self::Log | Self::Protect | Self::Sweep => false,
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`VerdictKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictKinds(u16);

impl VerdictKinds {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn contains(self, kind: VerdictKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// The set with the kind added.
    #[must_use]
    pub const fn with(self, kind: VerdictKind) -> Self {
        Self(self.0 | 1 << kind as u16)
    }

    /// The kinds of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in the set, in the order of [`VerdictKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = VerdictKind> {
        VerdictKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<VerdictKind> for VerdictKinds {
    fn from_iter<I: IntoIterator<Item = VerdictKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What a policy returns: a target, an action, a code and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub target: Target,
    pub action: Action,
    /// A short and stable name, which becomes a label of metrics.
    pub code: String,
    pub reason: String,
}

/// A plugin's answer to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    /// Verdicts that the plugin returns with the answer.
    pub verdicts: Vec<Verdict>,
}
